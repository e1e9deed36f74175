#include "kernels/gemv_dense/x86_avx2.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

void gemv_dense_q8_0_x86_avx2(const gemv_dense_args& args) {
  lanes_rows<dense_q8_0>(args);
}

}  // namespace bp
