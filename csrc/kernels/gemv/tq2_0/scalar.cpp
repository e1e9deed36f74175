#include "kernels/gemv/scalar.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_tq2_0_scalar(const gemv_args& args) {
  product_or_scaled_rows<tq2_0>(args);
}

}  // namespace bp
