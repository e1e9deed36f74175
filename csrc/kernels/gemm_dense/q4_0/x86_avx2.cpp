#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_q4_0_x86_avx2(const gemm_dense_args& args) {
  lanes_rows<dense_q4_0>(args);
}

}  // namespace bp
