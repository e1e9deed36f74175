#include "kernels/gemv_dense/arm_neon.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_q8_0_arm_neon(const gemv_dense_args& args) {
  lanes_rows<dense_q8_0>(args);
}

}  // namespace bp
