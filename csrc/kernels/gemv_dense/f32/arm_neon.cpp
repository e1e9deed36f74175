#include "kernels/gemv_dense/arm_neon.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_f32_arm_neon(const gemv_dense_args& args) {
  float_rows<dense_f32>(args);
}

}  // namespace bp
