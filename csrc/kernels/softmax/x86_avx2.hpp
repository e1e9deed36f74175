// AVX2: what kernels/softmax/four.hpp asks for. For ISA files: everything is in an anonymous
// namespace, so no copy of it can leak to another ISA.
#pragma once

#include <immintrin.h>

namespace bp {
namespace {

using four = __m256d;

inline four load_four(const float* p) {
  return _mm256_cvtps_pd(_mm_loadu_ps(p));
}

inline void store_four(double* p, four v) {
  _mm256_storeu_pd(p, v);
}

inline four all_four(double value) {
  return _mm256_set1_pd(value);
}

inline four fused(four a, four b, four c) {
  return _mm256_fmadd_pd(a, b, c);
}

inline four larger(four a, four b) {
  return _mm256_max_pd(a, b);
}

inline four smaller(four a, four b) {
  return _mm256_min_pd(a, b);
}

inline four power_of_two(four v) {
  const __m256i bias = _mm256_set1_epi64x(1023LL << 52);
  return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_slli_epi64(_mm256_castpd_si256(v), 52), bias));
}

}  // namespace
}  // namespace bp
