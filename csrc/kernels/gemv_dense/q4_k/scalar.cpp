#include "kernels/gemv_dense/scalar.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_q4_k_scalar(const gemv_dense_args& args) {
  dense_rows<dense_q4_k>(args);
}

}  // namespace bp
