#include "kernels/gemm/arm_lut.hpp"
#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tq1_0_arm_neondot(const gemm_args& args) {
  tq1_0_needs_rows(args) ? tq1_0_by_rows(args) : by_panels<tq1_0_panel>(args);
}

}  // namespace bp
