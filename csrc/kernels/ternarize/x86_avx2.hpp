// AVX2 for both formats: eight values a step.
#pragma once

#include "kernels/ternarize/rows.hpp"
#include "kernels/x86_avx2_float.hpp"

namespace bp {
namespace {

inline __m256 load_values(const float* x) {
  return load_eight(x);
}
inline __m256 load_values(const std::uint16_t* x) {
  return load_halves(x);
}

template <class T>
struct avx2_ops {
  static row_statistics measure(const T* x, std::int64_t K) {
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256d low = _mm256_setzero_pd(), high = low;  // sums 0-3, 4-7
    __m256 largest = _mm256_setzero_ps();
    in_pieces<ternarize_lanes>(x, K, [&](const T* from, std::int64_t, std::int64_t) {
      const __m256 found = _mm256_and_ps(load_values(from), magnitude);
      low = _mm256_add_pd(low, _mm256_cvtps_pd(_mm256_castps256_ps128(found)));
      high = _mm256_add_pd(high, _mm256_cvtps_pd(_mm256_extractf128_ps(found, 1)));
      largest = _mm256_max_ps(found, largest);  // the second where the first is NaN
    });
    double sums[ternarize_lanes];
    float most[ternarize_lanes];
    _mm256_storeu_pd(sums, low);
    _mm256_storeu_pd(sums + 4, high);
    _mm256_storeu_ps(most, largest);
    return together(sums, most);
  }

  // 32 at a time. Lanes become bytes in the order of
  //   v0 v1 v2 v3 = {0-3 | 4-7} {8-11 | 12-15} {16-19 | 20-23} {24-27 | 28-31}
  //   packed:  {0-3 8-11 16-19 24-27 | 4-7 12-15 20-23 28-31}, dwords 0 4 1 5 2 6 3 7 in order
  static void codes(const T* x, std::int64_t K, float bound, std::int8_t* out) {
    const __m256 up = _mm256_set1_ps(bound), down = _mm256_set1_ps(-bound);
    const auto lanes = [&](const T* from) {
      const __m256 v = load_values(from), twice = _mm256_add_ps(v, v);
      const __m256i above = _mm256_castps_si256(_mm256_cmp_ps(twice, up, _CMP_GT_OQ));
      const __m256i below = _mm256_castps_si256(_mm256_cmp_ps(twice, down, _CMP_LT_OQ));
      return _mm256_sub_epi32(below, above);  // true is -1
    };
    in_pieces<32>(x, K, [&](const T* from, std::int64_t k, std::int64_t count) {
      const __m256i first = _mm256_packs_epi32(lanes(from), lanes(from + 8));
      const __m256i second = _mm256_packs_epi32(lanes(from + 16), lanes(from + 24));
      const __m256i made = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second),
                                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
      if (count == 32) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + k), made);
      } else {
        std::int8_t all[32];
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(all), made);
        std::memcpy(out + k, all, static_cast<std::size_t>(count));
      }
    });
  }
};

}  // namespace
}  // namespace bp
