#include "kernels/gemm/arm_dot.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tq2_0_arm_neon(const gemm_args& args) {
  args.block_scales ? scaled_rows<tq2_0>(args) : gemm_two_bit<tq2_0>(args);
}

}  // namespace bp
