#include "kernels/gemv/scalar.hpp"
#include "kernels/families.hpp"

namespace bp {

void gemv_tq2_0_scalar(const gemv_args& args) {
  if (args.step != product_step::rows) return;
  args.y != nullptr ? product_rows<tq2_0>(args) : scaled_rows<tq2_0>(args);
}

}  // namespace bp
