#include "kernels/silu_mul/silu_mul.hpp"

namespace bp {

void silu_mul_f32_scalar(const silu_mul_args& args) {
  for (std::int64_t i = args.begin; i < args.end; ++i)
    args.out[i] = args.gate[i] / (1.0f + __builtin_expf(-args.gate[i])) * args.up[i];
}

}  // namespace bp
