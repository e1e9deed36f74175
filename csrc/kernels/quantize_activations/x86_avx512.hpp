// AVX-512 parts of activation quantization.
#pragma once

#include "kernels/x86_avx512_float.hpp"

namespace bp {
namespace {

constexpr std::int32_t infinity_bits = 0x7f800000;

// |x| of 16 values as bits.
inline __m512i magnitudes(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

// The largest |x| as bits: magnitudes order like integers, infinity and NaN above all numbers.
inline std::int32_t largest_magnitude(const float* x, std::int64_t K) {
  __m512i most[4];
  for (auto& v : most) v = _mm512_setzero_si512();
  std::int64_t k = 0;
  for (; k + 64 <= K; k += 64) {
    for (int i = 0; i < 4; ++i)
      most[i] = _mm512_max_epi32(most[i], magnitudes(_mm512_loadu_ps(x + k + 16 * i)));
  }
  for (; k < K; k += 16) {
    const __mmask16 mask = first_lanes(K - k < 16 ? K - k : 16);
    most[0] = _mm512_max_epi32(most[0], magnitudes(_mm512_maskz_loadu_ps(mask, x + k)));
  }
  return _mm512_reduce_max_epi32(
      _mm512_max_epi32(_mm512_max_epi32(most[0], most[1]), _mm512_max_epi32(most[2], most[3])));
}

// x * s of 16 values, rounded half to even.
inline __m512i round_16(const float* x, __m512 s) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), s));
}

// Four times sixteen int32 in -128 .. 127 to bytes, in order.
//   packs dwords  a0-3 b0-3 in each quarter, a4-7 b4-7 in the second ...      (16-bit)
//   packs words   a0-3 b0-3 c0-3 d0-3 | a4-7 b4-7 c4-7 d4-7 | ...             (bytes)
//   permute       a0-3 a4-7 a8-11 a12-15 | b0-3 ...
inline __m512i to_bytes(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, bytes);
}

// x * s of 64 values, rounded half to even and kept in -128 .. 127, to `values`; returns `wide`
// with their sums added.
inline __m512i store_64(std::int8_t* values, const float* x, __m512 s, __m512i wide) {
  const __m512i bytes =
      to_bytes(round_16(x, s), round_16(x + 16, s), round_16(x + 32, s), round_16(x + 48, s));
  _mm512_storeu_si512(values, bytes);
  const __m512i pairs = _mm512_maddubs_epi16(_mm512_set1_epi8(1), bytes);
  return _mm512_add_epi32(wide, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

}  // namespace
}  // namespace bp
