// AVX2 parts of activation quantization.
#pragma once

#include "kernels/x86_avx2.hpp"

namespace bp {
namespace {

constexpr std::int32_t infinity_bits = 0x7f800000;

inline std::int32_t magnitude_bits(const float* x) {
  std::int32_t bits;
  __builtin_memcpy(&bits, x, sizeof bits);
  return bits & 0x7fffffff;
}

// The largest |x| as bits: magnitudes order like integers, infinity and NaN above all numbers.
inline std::int32_t largest_magnitude(const float* x, std::int64_t K) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i most[4];
  for (auto& v : most) v = _mm256_setzero_si256();
  std::int64_t k = 0;
  for (; k + 32 <= K; k += 32) {
    for (int i = 0; i < 4; ++i)
      most[i] = _mm256_max_epi32(most[i], _mm256_and_si256(load(x + k + 8 * i), mask));
  }
  const __m256i all =
      _mm256_max_epi32(_mm256_max_epi32(most[0], most[1]), _mm256_max_epi32(most[2], most[3]));
  alignas(32) std::int32_t lanes[8];
  store(lanes, all);
  std::int32_t largest = 0;
  for (const std::int32_t lane : lanes) largest = lane > largest ? lane : largest;
  for (; k < K; ++k) {
    const std::int32_t bits = magnitude_bits(x + k);
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

// Four times eight int32 in -128 .. 127 to bytes, in order.
//   packs dwords  a0-3 b0-3 | a4-7 b4-7      (16-bit)
//   packs words   a0-3 b0-3 c0-3 d0-3 | a4-7 b4-7 c4-7 d4-7      (bytes)
//   permute       a0-3 a4-7 b0-3 b4-7 c0-3 c4-7 d0-3 d4-7
inline __m256i to_bytes(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// x * s of 32 values, rounded half to even and kept in -128 .. 127.
inline __m256i round_32(const float* x, __m256 s) {
  return to_bytes(_mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), s)),
                  _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), s)),
                  _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 16), s)),
                  _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 24), s)));
}

// Writes 32 values; returns `wide` with their sums added.
inline __m256i store_values(std::int8_t* values, __m256i bytes, __m256i wide) {
  store(values, bytes);
  return widen(wide, _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes));
}

}  // namespace
}  // namespace bp
