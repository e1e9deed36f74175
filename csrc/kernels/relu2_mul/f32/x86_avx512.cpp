#include "kernels/x86_elementwise.hpp"

#include "kernels/relu2_mul/relu2_mul.hpp"

namespace bp {

void relu2_mul_f32_x86_avx512(const relu2_mul_args& args) {
  elementwise(args.out, args.gate, args.up, args.begin, args.end, [](lanes gate, lanes up) {
    const lanes r = larger(gate, all_lanes(0.0f));  // 0 for NaN
    return r * r * up;
  });
}

}  // namespace bp
