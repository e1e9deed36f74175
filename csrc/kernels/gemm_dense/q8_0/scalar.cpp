#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_q8_0_scalar(const gemm_dense_args& args) {
  dense_rows<dense_q8_0>(args);
}

}  // namespace bp
