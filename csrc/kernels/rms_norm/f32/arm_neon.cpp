#include "kernels/arm_neon_float.hpp"

#include "kernels/rms_norm/rms_norm.hpp"

namespace bp {
namespace {

// The sum of x^2 in float64.
inline double sum_of_squares(const float* x, std::int64_t K) {
  float64x2_t sums[8];
  for (auto& sum : sums) sum = vdupq_n_f64(0.0);
  std::int64_t k = 0;
  for (; k + 16 <= K; k += 16) {
    for (int i = 0; i < 4; ++i) {
      const float32x4_t four = vld1q_f32(x + k + 4 * i);
      const float64x2_t low = vcvt_f64_f32(vget_low_f32(four)), high = vcvt_high_f64_f32(four);
      sums[2 * i] = vfmaq_f64(sums[2 * i], low, low);
      sums[2 * i + 1] = vfmaq_f64(sums[2 * i + 1], high, high);
    }
  }
  double rest = 0;
  for (; k < K; ++k) rest += static_cast<double>(x[k]) * x[k];
  for (int i = 0; i < 4; ++i) sums[i] = vaddq_f64(sums[i], sums[i + 4]);
  const float64x2_t all = vaddq_f64(vaddq_f64(sums[0], sums[1]), vaddq_f64(sums[2], sums[3]));
  return vaddvq_f64(all) + rest;
}

}  // namespace

void rms_norm_f32_arm_neon(const rms_norm_args& args) {
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* x = args.x + m * args.K;
    float* out = args.out + m * args.K;
    const double mean = sum_of_squares(x, args.K) / static_cast<double>(args.K);
    const auto s = static_cast<float>(1.0 / __builtin_sqrt(mean + static_cast<double>(args.eps)));
    std::int64_t k = 0;
    for (; k + 8 <= args.K; k += 8)
      store_eight(out + k, load_eight(x + k) * all_eight(s) * load_eight(args.weight + k));
    for (; k < args.K; ++k) out[k] = x[k] * s * args.weight[k];
  }
}

}  // namespace bp
