#include "kernels/gemm/x86_avx2.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_i2_s_x86_avx2(const gemm_args& args) {
  gemm_two_bit<i2_s>(args);
}

}  // namespace bp
