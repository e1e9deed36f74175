#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_f16_scalar(const gemm_dense_args& args) {
  dense_rows<dense_f16>(args);
}

}  // namespace bp
