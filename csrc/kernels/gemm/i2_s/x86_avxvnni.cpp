#include "kernels/gemm/x86_avxvnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_i2_s_x86_avxvnni(const gemm_args& args) {
  gemm_two_bit_dot<eight_lanes, i2_s>(args);
}

}  // namespace bp
