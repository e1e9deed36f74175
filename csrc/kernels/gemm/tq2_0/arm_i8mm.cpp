#include "kernels/gemm/arm_i8mm.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tq2_0_arm_i8mm(const gemm_args& args) {
  args.block_scales ? scaled_rows<tq2_0>(args) : gemm_two_bit_pairs<tq2_0>(args);
}

}  // namespace bp
