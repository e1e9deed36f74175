#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm/x86_avx2_lut.hpp"

namespace bp {

void gemm_tl2_x86_avx2(const gemm_args& args) {
  if (args.M < tl2_panel::tokens) return tl2_by_tables(args);
  by_panels<tl2_panel>(args);
}

}  // namespace bp
