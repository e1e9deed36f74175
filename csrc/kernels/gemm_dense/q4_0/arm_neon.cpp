#include "kernels/gemv_dense/arm_neon.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_q4_0_arm_neon(const gemm_dense_args& args) {
  lanes_rows<dense_q4_0>(args);
}

}  // namespace bp
