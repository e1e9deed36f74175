#include "kernels/gemm/gemm.hpp"
#include "kernels/gemv/scalar_tl1.hpp"

namespace bp {

void gemm_tl1_scalar(const gemm_args& args) {
  tl1_rows(args);
}

}  // namespace bp
