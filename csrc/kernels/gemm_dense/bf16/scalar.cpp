#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_bf16_scalar(const gemm_dense_args& args) {
  dense_rows<dense_bf16>(args);
}

}  // namespace bp
