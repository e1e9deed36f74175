#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_bf16_x86_avx2(const gemv_dense_args& args) {
  float_rows<dense_bf16>(args);
}

}  // namespace bp
