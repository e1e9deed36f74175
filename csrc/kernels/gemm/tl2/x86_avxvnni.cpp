#include "kernels/gemm/x86_avxvnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tl2_x86_avxvnni(const gemm_args& args) {
  if (args.M < tl2_panel::tokens) return tl2_by_tables(args);
  by_panels_dot<eight_lanes, tl2_panel>(args);
}

}  // namespace bp
