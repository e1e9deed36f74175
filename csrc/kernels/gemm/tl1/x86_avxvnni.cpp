#include "kernels/gemm/x86_avxvnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tl1_x86_avxvnni(const gemm_args& args) {
  if (args.M < tl1_panel::tokens) return tl1_by_strips(args);
  by_panels_dot<eight_lanes, tl1_panel>(args);
}

}  // namespace bp
