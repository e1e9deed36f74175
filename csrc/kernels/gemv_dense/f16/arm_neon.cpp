#include "kernels/gemv_dense/arm_neon.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_f16_arm_neon(const gemv_dense_args& args) {
  float_rows<dense_f16>(args);
}

}  // namespace bp
