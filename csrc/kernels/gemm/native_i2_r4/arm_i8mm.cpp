#include "kernels/gemm/arm_i8mm.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_native_i2_r4_arm_i8mm(const gemm_args& args) {
  args.block_scales ? scaled_rows<native_i2_r4>(args) : gemm_two_bit_pairs<native_i2_r4>(args);
}

}  // namespace bp
