#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_q4_k_scalar(const gemm_dense_args& args) {
  dense_rows<dense_q4_k>(args);
}

}  // namespace bp
