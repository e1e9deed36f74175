#include "kernels/gemm/arm_dot.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_i2_s_arm_neon(const gemm_args& args) {
  gemm_two_bit<i2_s>(args);
}

}  // namespace bp
