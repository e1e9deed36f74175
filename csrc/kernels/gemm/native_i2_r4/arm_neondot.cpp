#include "kernels/gemm/arm_dot.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_native_i2_r4_arm_neondot(const gemm_args& args) {
  args.block_scales ? scaled_rows<native_i2_r4>(args) : gemm_two_bit<native_i2_r4>(args);
}

}  // namespace bp
