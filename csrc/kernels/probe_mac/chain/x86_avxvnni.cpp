#include <immintrin.h>

#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {

// vpdpbusd alone, of 32 byte products, into twelve independent int32 sums: two a cycle need ten.
// Six of them are a step of 192 multiply-adds.
void probe_mac_chain_x86_avxvnni(const probe_mac_args& args) {
  const __m256i one = _mm256_set1_epi8(1);
  __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  __m256i s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
  std::int64_t i = 0;
  for (; i + 384 <= args.macs; i += 384) {
    asm volatile(
        "%{vex%} vpdpbusd %12, %12, %0\n %{vex%} vpdpbusd %12, %12, %1\n"
        "%{vex%} vpdpbusd %12, %12, %2\n %{vex%} vpdpbusd %12, %12, %3\n"
        "%{vex%} vpdpbusd %12, %12, %4\n %{vex%} vpdpbusd %12, %12, %5\n"
        "%{vex%} vpdpbusd %12, %12, %6\n %{vex%} vpdpbusd %12, %12, %7\n"
        "%{vex%} vpdpbusd %12, %12, %8\n %{vex%} vpdpbusd %12, %12, %9\n"
        "%{vex%} vpdpbusd %12, %12, %10\n %{vex%} vpdpbusd %12, %12, %11\n"
        : "+x"(s0), "+x"(s1), "+x"(s2), "+x"(s3), "+x"(s4), "+x"(s5), "+x"(s6), "+x"(s7), "+x"(s8),
          "+x"(s9), "+x"(s10), "+x"(s11)
        : "x"(one));
  }
  if (i < args.macs) {
    asm volatile(
        "%{vex%} vpdpbusd %6, %6, %0\n %{vex%} vpdpbusd %6, %6, %1\n"
        "%{vex%} vpdpbusd %6, %6, %2\n %{vex%} vpdpbusd %6, %6, %3\n"
        "%{vex%} vpdpbusd %6, %6, %4\n %{vex%} vpdpbusd %6, %6, %5\n"
        : "+x"(s0), "+x"(s1), "+x"(s2), "+x"(s3), "+x"(s4), "+x"(s5)
        : "x"(one));
  }
  s0 = _mm256_add_epi32(_mm256_add_epi32(s0, s1), _mm256_add_epi32(s2, s3));
  s4 = _mm256_add_epi32(_mm256_add_epi32(s4, s5), _mm256_add_epi32(s6, s7));
  s8 = _mm256_add_epi32(_mm256_add_epi32(s8, s9), _mm256_add_epi32(s10, s11));
  s0 = _mm256_add_epi32(s0, _mm256_add_epi32(s4, s8));
  std::uint32_t lanes[8], sum = 0;
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), s0);
  for (const std::uint32_t lane : lanes) sum += lane;
  *args.sum = static_cast<std::uint16_t>(sum);
}

}  // namespace bp
