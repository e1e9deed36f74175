// Vectors of 64 bytes for x86_dot_tq1_0.hpp. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/gemv/x86_dot_tq1_0.hpp"
#include "kernels/x86_avx512.hpp"

namespace bp {
namespace {

struct sixteen_fractions {
  static constexpr int rows = 4, tokens = 2;
  using bytes = __m512i;
  using sums = __m512i;

  template <bool bounded>
  static inline __attribute__((always_inline)) bytes load(const std::uint8_t* w) {
    if constexpr (bounded) return _mm512_maskz_loadu_epi8((std::uint64_t{1} << 52) - 1, w);
    return load_line(w);
  }

  static bytes times_3(bytes v) { return _mm512_add_epi8(v, _mm512_add_epi8(v, v)); }

  static inline __attribute__((always_inline)) void add(sums& sum, bytes z, const std::uint8_t* x) {
    sum = _mm512_dpbusd_epi32(sum, z, load_line(x));
  }

  static void totals(const sums (&of)[rows], const sums (&next)[rows], std::int32_t* to) {
    const auto lanes = [&](int r) {
      const __m512i twice = _mm512_add_epi32(of[r], of[r]);
      return _mm512_sub_epi32(_mm512_add_epi32(twice, of[r]), next[r]);
    };
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                     _mm_srai_epi32(sum_four(lanes(0), lanes(1), lanes(2), lanes(3)), 8));
  }
};

}  // namespace
}  // namespace bp
