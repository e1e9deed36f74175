#include "kernels/gemv_dense/arm_neon.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_q6_k_arm_neon(const gemm_dense_args& args) {
  block_rows<dense_q6_k>(args);
}

}  // namespace bp
