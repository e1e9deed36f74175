#include "kernels/gemv/scalar.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_native_i2_r4_scalar(const gemm_args& args) {
  product_or_scaled_rows<native_i2_r4>(args);
}

}  // namespace bp
