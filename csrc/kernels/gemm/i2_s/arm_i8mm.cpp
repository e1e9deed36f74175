#include "kernels/gemm/arm_i8mm.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_i2_s_arm_i8mm(const gemm_args& args) {
  gemm_two_bit_pairs<i2_s>(args);
}

}  // namespace bp
