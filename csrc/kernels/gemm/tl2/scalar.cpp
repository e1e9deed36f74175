#include "kernels/gemm/gemm.hpp"
#include "kernels/gemv/scalar_tl2.hpp"

namespace bp {

void gemm_tl2_scalar(const gemm_args& args) {
  tl2_rows(args);
}

}  // namespace bp
