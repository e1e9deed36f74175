#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_f32_scalar(const gemv_dense_args& args) {
  dense_rows<dense_f32>(args);
}

}  // namespace bp
