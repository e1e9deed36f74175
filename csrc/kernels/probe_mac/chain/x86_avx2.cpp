#include <immintrin.h>

#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {

// The inner step of every int8 product without VNNI: vpmaddubsw into a temporary, vpaddw into one
// of six independent int16 sums. 6 * 32 multiply-adds.
void probe_mac_chain_x86_avx2(const probe_mac_args& args) {
  const __m256i one = _mm256_set1_epi8(1);
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  __m256i t0, t1, t2, t3, t4, t5;
  for (std::int64_t i = 0; i < args.macs; i += 192) {
    asm volatile(
        "vpmaddubsw %12, %12, %6\n vpmaddubsw %12, %12, %7\n vpmaddubsw %12, %12, %8\n"
        "vpmaddubsw %12, %12, %9\n vpmaddubsw %12, %12, %10\n vpmaddubsw %12, %12, %11\n"
        "vpaddw %6, %0, %0\n vpaddw %7, %1, %1\n vpaddw %8, %2, %2\n"
        "vpaddw %9, %3, %3\n vpaddw %10, %4, %4\n vpaddw %11, %5, %5\n"
        : "+x"(s0), "+x"(s1), "+x"(s2), "+x"(s3), "+x"(s4), "+x"(s5), "=&x"(t0), "=&x"(t1),
          "=&x"(t2), "=&x"(t3), "=&x"(t4), "=&x"(t5)
        : "x"(one));
  }
  s0 = _mm256_add_epi16(_mm256_add_epi16(s0, s1), _mm256_add_epi16(s2, s3));
  s0 = _mm256_add_epi16(s0, _mm256_add_epi16(s4, s5));
  std::uint16_t lanes[16], sum = 0;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), s0);
  for (const std::uint16_t lane : lanes) sum = static_cast<std::uint16_t>(sum + lane);
  *args.sum = sum;
}

}  // namespace bp
