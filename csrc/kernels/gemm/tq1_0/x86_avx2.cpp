#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm/x86_avx2_lut.hpp"

namespace bp {

void gemm_tq1_0_x86_avx2(const gemm_args& args) {
  if (args.block_scales || args.M < tq1_0_panel::tokens) return tq1_0_by_rows(args);
  by_panels<tq1_0_panel>(args);
}

}  // namespace bp
