// The float end of a product, sixteen sums at a time: what apply_scales of gemv/epilogue.hpp gives
// where a token has one scale, to the bit. For ISA files: in an anonymous namespace.
#pragma once

#include <immintrin.h>

#include "kernels/gemv/gemv.hpp"

namespace bp {
namespace {

struct token_scale {
  __m512 s, inverse, weight;
  bool in_range;  // 2^-60 <= s <= 2^60: nothing below over- or underflows
};

inline token_scale scale_of(const product_args& args, std::int64_t m) {
  const float s = args.act_scale[m];
  return {_mm512_set1_ps(s), _mm512_set1_ps(1.0f / s), _mm512_set1_ps(args.weight_scale),
          s >= 0x1p-60f && s <= 0x1p60f};
}

// float32(sum) / s * weight. The quotient is that of a division: a * (1 / s) is off by at most 1.5
// units in the last place; the first correction leaves less than one, and from there, with 1 / s
// rounded to nearest and the remainder exact, the second rounds to nearest (Markstein 1990).
inline __m512 with_scale(__m512i sums, const token_scale& scale) {
  const __m512 a = _mm512_cvtepi32_ps(sums);
  if (!scale.in_range) return _mm512_mul_ps(_mm512_div_ps(a, scale.s), scale.weight);
  __m512 q = _mm512_mul_ps(a, scale.inverse);
  q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale.s, a), scale.inverse, q);
  q = _mm512_fmadd_ps(_mm512_fnmadd_ps(q, scale.s, a), scale.inverse, q);
  return _mm512_mul_ps(q, scale.weight);
}

// Results of token m and `rows` rows from row n on, from vectors of sixteen sums that stand
// `stride` apart and are each `over` too large: to y, or to out where y is not wanted.
inline void store_results(const product_args& args, std::int64_t m, std::int64_t n,
                          std::int64_t rows, const std::int32_t* sums, std::int64_t stride,
                          std::int32_t over) {
  const std::int64_t at = m * args.N + n;
  const token_scale scale = args.y == nullptr ? scale_of(args, m) : token_scale{};
  for (std::int64_t i = 0; i < rows; i += 16, sums += stride) {
    const auto mask = static_cast<__mmask16>(rows - i >= 16 ? 0xffff : (1 << (rows - i)) - 1);
    const __m512i found = _mm512_sub_epi32(_mm512_load_si512(sums), _mm512_set1_epi32(over));
    if (args.y != nullptr) {
      _mm512_mask_storeu_epi32(args.y + at + i, mask, found);
    } else {
      _mm512_mask_storeu_ps(args.out + at + i, mask, with_scale(found, scale));
    }
  }
}

}  // namespace
}  // namespace bp
