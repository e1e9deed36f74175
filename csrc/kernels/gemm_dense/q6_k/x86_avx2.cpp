#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_q6_k_x86_avx2(const gemm_dense_args& args) {
  q6_k_rows(args);
}

}  // namespace bp
