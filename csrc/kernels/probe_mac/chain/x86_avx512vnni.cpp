#include <immintrin.h>

#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {

// vpdpbusd alone, of 64 byte products, into twelve independent int32 sums: two a cycle need ten.
// Six of them are a step of 384 multiply-adds.
void probe_mac_chain_x86_avx512vnni(const probe_mac_args& args) {
  const __m512i one = _mm512_set1_epi8(1);
  __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  __m512i s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
  std::int64_t i = 0;
  for (; i + 768 <= args.macs; i += 768) {
    asm volatile(
        "vpdpbusd %12, %12, %0\n vpdpbusd %12, %12, %1\n vpdpbusd %12, %12, %2\n"
        "vpdpbusd %12, %12, %3\n vpdpbusd %12, %12, %4\n vpdpbusd %12, %12, %5\n"
        "vpdpbusd %12, %12, %6\n vpdpbusd %12, %12, %7\n vpdpbusd %12, %12, %8\n"
        "vpdpbusd %12, %12, %9\n vpdpbusd %12, %12, %10\n vpdpbusd %12, %12, %11\n"
        : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5), "+v"(s6), "+v"(s7), "+v"(s8),
          "+v"(s9), "+v"(s10), "+v"(s11)
        : "v"(one));
  }
  if (i < args.macs) {
    asm volatile(
        "vpdpbusd %6, %6, %0\n vpdpbusd %6, %6, %1\n vpdpbusd %6, %6, %2\n"
        "vpdpbusd %6, %6, %3\n vpdpbusd %6, %6, %4\n vpdpbusd %6, %6, %5\n"
        : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5)
        : "v"(one));
  }
  s0 = _mm512_add_epi32(_mm512_add_epi32(s0, s1), _mm512_add_epi32(s2, s3));
  s4 = _mm512_add_epi32(_mm512_add_epi32(s4, s5), _mm512_add_epi32(s6, s7));
  s8 = _mm512_add_epi32(_mm512_add_epi32(s8, s9), _mm512_add_epi32(s10, s11));
  s0 = _mm512_add_epi32(s0, _mm512_add_epi32(s4, s8));
  std::uint32_t lanes[16], sum = 0;
  _mm512_storeu_si512(lanes, s0);
  for (const std::uint32_t lane : lanes) sum += lane;
  *args.sum = static_cast<std::uint16_t>(sum);
}

}  // namespace bp
