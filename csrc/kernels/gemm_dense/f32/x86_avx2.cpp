#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_f32_x86_avx2(const gemm_dense_args& args) {
  float_rows<dense_f32>(args);
}

}  // namespace bp
