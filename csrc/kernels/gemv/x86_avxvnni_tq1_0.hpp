// Vectors of 32 bytes for x86_dot_tq1_0.hpp. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/gemv/x86_dot_tq1_0.hpp"
#include "kernels/x86_dot.hpp"

namespace bp {
namespace {

struct eight_fractions {
  static constexpr int rows = 2, tokens = 1;
  struct bytes {
    __m256i first, rest;
  };
  using sums = bytes;  // of both, so that one waits for the other less

  template <bool bounded>
  static inline __attribute__((always_inline)) bytes load(const std::uint8_t* w) {
    const __m256i first = bp::load(w);
    if constexpr (!bounded) return {first, bp::load(w + 32)};
    std::int32_t last;
    __builtin_memcpy(&last, w + 48, sizeof last);
    const __m128i most = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 32));
    return {first, _mm256_setr_m128i(most, _mm_cvtsi32_si128(last))};
  }

  static __m256i times_3(__m256i v) { return _mm256_add_epi8(v, _mm256_add_epi8(v, v)); }
  static bytes times_3(bytes z) { return {times_3(z.first), times_3(z.rest)}; }

  static inline __attribute__((always_inline)) void add(sums& sum, bytes z, const std::uint8_t* x) {
    sum = {dot(sum.first, z.first, bp::load(x)), dot(sum.rest, z.rest, bp::load(x + 32))};
  }

  static void totals(const sums (&of)[rows], const sums (&next)[rows], std::int32_t* to) {
    for (int r = 0; r < rows; ++r) {
      const __m256i a = _mm256_add_epi32(of[r].first, of[r].rest);
      const __m256i b = _mm256_add_epi32(next[r].first, next[r].rest);
      const __m256i thrice = _mm256_add_epi32(a, _mm256_add_epi32(a, a));
      to[r] = sum_lanes(_mm256_sub_epi32(thrice, b)) >> 8;
    }
  }
};

}  // namespace
}  // namespace bp
