#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {

void gemm_dense_f32_scalar(const gemm_dense_args& args) {
  dense_rows<dense_f32>(args);
}

}  // namespace bp
