#include "kernels/gemv/scalar.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_native_i2_r16_scalar(const gemm_args& args) {
  product_or_scaled_rows<native_i2_r16>(args);
}

}  // namespace bp
