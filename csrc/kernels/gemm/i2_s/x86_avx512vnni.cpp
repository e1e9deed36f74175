#include "kernels/gemm/x86_avx512vnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_i2_s_x86_avx512vnni(const gemm_args& args) {
  gemm_two_bit_dot<sixteen_lanes, i2_s>(args);
}

}  // namespace bp
