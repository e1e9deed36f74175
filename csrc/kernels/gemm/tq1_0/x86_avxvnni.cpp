#include "kernels/gemm/x86_avxvnni.hpp"

#include "kernels/gemm/gemm.hpp"
#include "kernels/gemv/x86_avxvnni_tq1_0.hpp"

namespace bp {

void gemm_tq1_0_x86_avxvnni(const gemm_args& args) {
  if (args.block_scales || args.M < tq1_0_panel::tokens)
    return tq1_0_by_fractions<eight_fractions>(args);
  by_panels_dot<eight_lanes, tq1_0_panel>(args);
}

}  // namespace bp
