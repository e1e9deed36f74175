#include "kernels/x86_elementwise.hpp"

#include "kernels/rms_norm/rms_norm.hpp"

namespace bp {
namespace {

// x^2 of four values in float64, added to `sum`.
inline __m256d add_squares(__m256d sum, __m128 x) {
  const __m256d wide = _mm256_cvtps_pd(x);
  return _mm256_fmadd_pd(wide, wide, sum);
}

inline double sum_of_squares(const float* x, std::int64_t K) {
  __m256d sums[4];
  for (auto& sum : sums) sum = _mm256_setzero_pd();
  std::int64_t k = 0;
  for (; k + 16 <= K; k += 16) {
    for (int i = 0; i < 4; ++i) sums[i] = add_squares(sums[i], _mm_loadu_ps(x + k + 4 * i));
  }
  for (; k < K; k += 4) {
    const __m128i mask = _mm256_castsi256_si128(first_lanes(K - k));
    sums[0] = add_squares(sums[0], _mm_maskload_ps(x + k, mask));
  }
  const __m256d all =
      _mm256_add_pd(_mm256_add_pd(sums[0], sums[1]), _mm256_add_pd(sums[2], sums[3]));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(all), _mm256_extractf128_pd(all, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

}  // namespace

void rms_norm_f32_x86_avx2(const rms_norm_args& args) {
  // One token finds them in memory: they come while squares are summed.
  for (std::int64_t k = 0; k < args.K; k += 16) __builtin_prefetch(args.weight + k);
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* x = args.x + m * args.K;
    const double mean = sum_of_squares(x, args.K) / static_cast<double>(args.K);
    const auto s = static_cast<float>(1.0 / __builtin_sqrt(mean + static_cast<double>(args.eps)));
    elementwise(args.out + m * args.K, x, args.weight, 0, args.K,
                [s](lanes v, lanes weight) { return v * all_lanes(s) * weight; });
  }
}

}  // namespace bp
