#include "kernels/gemv/scalar.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tq2_0_scalar(const gemm_args& args) {
  product_or_scaled_rows<tq2_0>(args);
}

}  // namespace bp
