#include "kernels/gemm/x86_avx512vnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tl1_x86_avx512vnni(const gemm_args& args) {
  if (args.M < tl1_panel::tokens) return tl1_by_strips(args);
  by_panels_dot<sixteen_lanes, tl1_panel>(args);
}

}  // namespace bp
