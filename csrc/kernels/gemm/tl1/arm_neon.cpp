#include "kernels/gemm/arm_lut.hpp"
#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tl1_arm_neon(const gemm_args& args) {
  by_panels<tl1_panel>(args);
}

}  // namespace bp
