#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm/x86_avx2_lut.hpp"

namespace bp {

void gemm_tl1_x86_avx2(const gemm_args& args) {
  if (args.M < tl1_panel::tokens) return tl1_by_strips(args);
  by_panels<tl1_panel>(args);
}

}  // namespace bp
