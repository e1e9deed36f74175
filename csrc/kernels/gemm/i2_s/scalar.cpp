#include "kernels/gemv/scalar.hpp"
#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_i2_s_scalar(const gemm_args& args) {
  product_rows<i2_s>(args);
}

}  // namespace bp
