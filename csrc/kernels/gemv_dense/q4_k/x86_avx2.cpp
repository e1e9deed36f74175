#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_q4_k_x86_avx2(const gemv_dense_args& args) {
  q4_k_rows(args);
}

}  // namespace bp
