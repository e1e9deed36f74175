#include "kernels/gemm/arm_i8mm.hpp"

#include "kernels/gemm/arm_lut.hpp"
#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tq1_0_arm_i8mm(const gemm_args& args) {
  tq1_0_needs_rows(args) ? tq1_0_by_rows(args) : by_pair_panels<pairs_of<tq1_0_panel>>(args);
}

}  // namespace bp
