// AVX-512 parts that the float kernels share: what kernels/lanes.hpp asks for. For ISA files:
// everything is in an anonymous namespace, so no copy of it can leak to another ISA.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bp {
namespace {

using lanes = __m512;
constexpr int lane_count = 16;

// Lanes [0, count) of sixteen.
inline __mmask16 first_lanes(std::int64_t count) {
  return static_cast<__mmask16>((1U << count) - 1);
}

// The first `count` from memory, zeros behind them; count < 16.
inline lanes load_part(const float* p, std::int64_t count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), p);
}

inline void store_part(float* p, lanes v, std::int64_t count) {
  _mm512_mask_storeu_ps(p, first_lanes(count), v);
}

inline lanes load_lanes(const float* p) {
  return _mm512_loadu_ps(p);
}

inline lanes load_half_lanes(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}

inline lanes load_first(const float* p) {
  return _mm512_zextps256_ps512(_mm256_loadu_ps(p));
}

inline lanes load_half_first(const void* p) {
  return _mm512_cvtph_ps(_mm256_zextsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p))));
}

inline void store_lanes(float* p, lanes v) {
  _mm512_storeu_ps(p, v);
}

inline void store_first(float* p, lanes v) {
  _mm256_storeu_ps(p, _mm512_castps512_ps256(v));
}

inline void store_half_lanes(void* p, lanes v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

inline void store_half_first(void* p, lanes v) {
  _mm_storeu_si128(static_cast<__m128i*>(p),
                   _mm256_cvtps_ph(_mm512_castps512_ps256(v), _MM_FROUND_TO_NEAREST_INT));
}

inline lanes all_lanes(float value) {
  return _mm512_set1_ps(value);
}

inline lanes all_like(lanes, float value) {
  return _mm512_set1_ps(value);
}

inline lanes first_or(lanes v, std::int64_t count, float value) {
  return _mm512_mask_mov_ps(_mm512_set1_ps(value), first_lanes(count), v);
}

inline lanes fused(lanes a, lanes b, lanes c) {
  return _mm512_fmadd_ps(a, b, c);
}

inline lanes larger(lanes a, lanes b) {
  return _mm512_max_ps(a, b);
}

inline lanes smaller(lanes a, lanes b) {
  return _mm512_min_ps(a, b);
}

inline lanes whole(lanes v) {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline lanes as_halves(lanes v) {
  return _mm512_cvtph_ps(_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

inline lanes times_power(lanes v, lanes n) {
  return _mm512_scalef_ps(v, n);
}

inline float sum_lanes(lanes v) {
  return _mm512_reduce_add_ps(v);
}

inline float max_lanes(lanes v) {
  return _mm512_reduce_max_ps(v);
}

inline lanes load_twice(const float* p) {
  return _mm512_broadcast_f32x8(_mm256_loadu_ps(p));
}

inline lanes load_rows(const float* const* rows, std::int64_t d) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(rows[0] + d)),
                            _mm256_loadu_ps(rows[4] + d), 1);
}

inline lanes load_half_rows(const std::uint16_t* const* rows, std::int64_t d) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[0] + d));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[4] + d));
  return _mm512_cvtph_ps(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
}

//   unpack, add    a02 b02 a13 b13 in each quarter; c and d likewise
//   unpack, add    a b c d: the sums of each quarter
//   add quarters   a b c d of the first eight lanes, in quarter 0, and of the second, in quarter 2
inline void store_sums(float* p, const lanes* v, float scale) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
  const __m512 quarters = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44),   // {0 1 of ab, of cd}
                                        _mm512_shuffle_ps(ab, cd, 0xee));  // {2 3 of ab, of cd}
  const __m512 other = _mm512_shuffle_f32x4(quarters, quarters, 0xb1);     // {1 0 3 2}
  const __m512 sums = _mm512_mul_ps(_mm512_add_ps(quarters, other), _mm512_set1_ps(scale));
  _mm_storeu_ps(p, _mm512_castps512_ps128(sums));
  _mm_storeu_ps(p + 4, _mm512_extractf32x4_ps(sums, 2));
}

}  // namespace
}  // namespace bp

#include "kernels/exp_lanes.hpp"
