#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_bf16_x86_avx2(const gemm_dense_args& args) {
  float_rows<dense_bf16>(args);
}

}  // namespace bp
