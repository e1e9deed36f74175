#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_bf16_scalar(const gemv_dense_args& args) {
  dense_rows<dense_bf16>(args);
}

}  // namespace bp
