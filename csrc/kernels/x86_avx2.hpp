// AVX2 parts that the integer kernels share. For ISA files: everything is in an anonymous
// namespace, so no copy of it can leak to another ISA.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bp {
namespace {

inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

inline void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

inline void prefetch(const void* p) {
  _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0);
}

inline std::int32_t sum_lanes(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));  // {2 3 0 1}
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));  // {1 0 3 2}
  return _mm_cvtsi128_si32(s);
}

// 16 pair sums of int16 to 8 sums of int32, added to `wide`.
inline __m256i widen(__m256i wide, __m256i narrow) {
  return _mm256_add_epi32(wide, _mm256_madd_epi16(narrow, _mm256_set1_epi16(1)));
}

}  // namespace
}  // namespace bp
