#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_f32_x86_avx2(const gemv_dense_args& args) {
  float_rows<dense_f32>(args);
}

}  // namespace bp
