#include "kernels/gemv_dense/arm_neon.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_bf16_arm_neon(const gemm_dense_args& args) {
  float_rows<dense_bf16>(args);
}

}  // namespace bp
