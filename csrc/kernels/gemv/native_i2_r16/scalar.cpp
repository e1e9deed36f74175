#include "kernels/gemv/scalar.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_native_i2_r16_scalar(const gemv_args& args) {
  product_or_scaled_rows<native_i2_r16>(args);
}

}  // namespace bp
