#include "kernels/x86_elementwise.hpp"

#include "kernels/rms_norm/rms_norm.hpp"

namespace bp {
namespace {

// x^2 of eight values in float64, added to `sum`.
inline __m512d add_squares(__m512d sum, __m256 x) {
  const __m512d wide = _mm512_cvtps_pd(x);
  return _mm512_fmadd_pd(wide, wide, sum);
}

inline double sum_of_squares(const float* x, std::int64_t K) {
  __m512d sums[4];
  for (auto& sum : sums) sum = _mm512_setzero_pd();
  std::int64_t k = 0;
  for (; k + 32 <= K; k += 32) {
    for (int i = 0; i < 4; ++i) sums[i] = add_squares(sums[i], _mm256_loadu_ps(x + k + 8 * i));
  }
  for (; k < K; k += 8) {
    const auto mask = static_cast<__mmask8>(K - k < 8 ? (1 << (K - k)) - 1 : 255);
    sums[0] = add_squares(sums[0], _mm256_maskz_loadu_ps(mask, x + k));
  }
  return _mm512_reduce_add_pd((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

}  // namespace

void rms_norm_f32_x86_avx512(const rms_norm_args& args) {
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
