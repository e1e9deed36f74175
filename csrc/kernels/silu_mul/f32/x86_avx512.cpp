#include "kernels/x86_elementwise.hpp"

#include "kernels/silu_mul/silu_mul.hpp"

namespace bp {

void silu_mul_f32_x86_avx512(const silu_mul_args& args) {
  elementwise(args.out, args.gate, args.up, args.begin, args.end, [](lanes gate, lanes up) {
    return gate / (all_lanes(1.0f) + exp_lanes(-gate)) * up;
  });
}

}  // namespace bp
