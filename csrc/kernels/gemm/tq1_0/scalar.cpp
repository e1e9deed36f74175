#include "kernels/gemm/gemm.hpp"
#include "kernels/gemv/scalar_tq1_0.hpp"

namespace bp {

void gemm_tq1_0_scalar(const gemm_args& args) {
  tq1_0_rows(args);
}

}  // namespace bp
