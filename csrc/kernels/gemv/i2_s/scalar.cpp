#include "kernels/gemv/scalar.hpp"
#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_i2_s_scalar(const gemv_args& args) {
  product_rows<i2_s>(args);
}

}  // namespace bp
