#include <immintrin.h>

#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {

// What x86_avx2 has, of 64 bytes: vpmaddubsw into a temporary, vpaddw into one of six independent
// int16 sums. 6 * 64 multiply-adds.
void probe_mac_chain_x86_avx512(const probe_mac_args& args) {
  const __m512i one = _mm512_set1_epi8(1);
  __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  __m512i t0, t1, t2, t3, t4, t5;
  for (std::int64_t i = 0; i < args.macs; i += 384) {
    asm volatile(
        "vpmaddubsw %12, %12, %6\n vpmaddubsw %12, %12, %7\n vpmaddubsw %12, %12, %8\n"
        "vpmaddubsw %12, %12, %9\n vpmaddubsw %12, %12, %10\n vpmaddubsw %12, %12, %11\n"
        "vpaddw %6, %0, %0\n vpaddw %7, %1, %1\n vpaddw %8, %2, %2\n"
        "vpaddw %9, %3, %3\n vpaddw %10, %4, %4\n vpaddw %11, %5, %5\n"
        : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "=&v"(t0), "=&v"(t1),
          "=&v"(t2), "=&v"(t3), "=&v"(t4), "=&v"(t5)
        : "v"(one));
  }
  s0 = _mm512_add_epi16(_mm512_add_epi16(s0, s1), _mm512_add_epi16(s2, s3));
  s0 = _mm512_add_epi16(s0, _mm512_add_epi16(s4, s5));
  std::uint16_t lanes[32], sum = 0;
  _mm512_storeu_si512(lanes, s0);
  for (const std::uint16_t lane : lanes) sum = static_cast<std::uint16_t>(sum + lane);
  *args.sum = sum;
}

}  // namespace bp
