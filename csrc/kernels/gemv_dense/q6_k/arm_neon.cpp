#include "kernels/gemv_dense/arm_neon.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_q6_k_arm_neon(const gemv_dense_args& args) {
  block_rows<dense_q6_k>(args);
}

}  // namespace bp
