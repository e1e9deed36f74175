#include "kernels/gemm/x86_avx512vnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tl2_x86_avx512vnni(const gemm_args& args) {
  if (args.M < tl2_panel::tokens) return tl2_by_tables(args);
  by_panels_dot<sixteen_lanes, tl2_panel>(args);
}

}  // namespace bp
