// AVX2 parts that the float kernels share. For ISA files: everything is in an anonymous namespace,
// so no copy of it can leak to another ISA.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bp {
namespace {

// Lanes [0, count) of eight, for _mm256_maskload_ps and _mm256_maskstore_ps.
inline __m256i first_lanes(std::int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<std::int32_t>(count)), lane);
}

// What kernels/eight.hpp asks for.
using eight = __m256;

inline eight load_eight(const void* p) {
  return _mm256_loadu_ps(static_cast<const float*>(p));
}

inline eight load_halves(const void* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}

inline eight load_brains(const void* p) {
  const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}

inline void store_eight(float* p, eight v) {
  _mm256_storeu_ps(p, v);
}

// The first `count` from memory, zeros behind them; count < 8.
inline eight load_part(const float* p, std::int64_t count) {
  return _mm256_maskload_ps(p, first_lanes(count));
}

inline void store_part(float* p, eight v, std::int64_t count) {
  _mm256_maskstore_ps(p, first_lanes(count), v);
}

inline void store_halves(void* p, eight v) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

inline eight all_eight(float value) {
  return _mm256_set1_ps(value);
}

inline eight all_like(eight, float value) {
  return all_eight(value);
}

inline eight first_or(eight v, std::int64_t count, float value) {
  return _mm256_blendv_ps(_mm256_set1_ps(value), v, _mm256_castsi256_ps(first_lanes(count)));
}

inline eight fused(eight a, eight b, eight c) {
  return _mm256_fmadd_ps(a, b, c);
}

inline eight larger(eight a, eight b) {
  return _mm256_max_ps(a, b);
}

inline eight smaller(eight a, eight b) {
  return _mm256_min_ps(a, b);
}

inline eight whole(eight v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline eight as_halves(eight v) {
  return _mm256_cvtph_ps(_mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

inline eight times_power(eight v, eight n) {
  const __m256i all = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(all, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i low = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i high = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(all, half), bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(v, _mm256_castsi256_ps(low)), _mm256_castsi256_ps(high));
}

inline float sum_lanes(eight v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));                   // {2 3 2 3}
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));  // {1 1 3 3}
}

inline float max_lanes(eight v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

//   hadd a b   a01 a23 b01 b23 | a45 a67 b45 b67      hadd c d   likewise
//   hadd       a03 b03 c03 d03 | a47 b47 c47 d47      low + high   a b c d
inline void store_sums(float* p, const eight* v, float scale) {
  const __m256 quarters = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  const __m128 sums =
      _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps(quarters, 1));
  _mm_storeu_ps(p, _mm_mul_ps(sums, _mm_set1_ps(scale)));
}

}  // namespace
}  // namespace bp
