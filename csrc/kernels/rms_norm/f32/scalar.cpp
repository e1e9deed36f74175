#include "kernels/rms_norm/rms_norm.hpp"

namespace bp {

void rms_norm_f32_scalar(const rms_norm_args& args) {
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* x = args.x + m * args.K;
    float* out = args.out + m * args.K;
    double sum = 0;
    for (std::int64_t k = 0; k < args.K; ++k) sum += static_cast<double>(x[k]) * x[k];
    const double mean = sum / static_cast<double>(args.K);
    const auto s = static_cast<float>(1.0 / __builtin_sqrt(mean + args.eps));
    for (std::int64_t k = 0; k < args.K; ++k) out[k] = x[k] * s * args.weight[k];
  }
}

}  // namespace bp
