#include "kernels/relu2_mul/relu2_mul.hpp"

namespace bp {

void relu2_mul_f32_scalar(const relu2_mul_args& args) {
  for (std::int64_t i = args.begin; i < args.end; ++i) {
    const float r = args.gate[i] > 0.0f ? args.gate[i] : 0.0f;
    args.out[i] = r * r * args.up[i];
  }
}

}  // namespace bp
