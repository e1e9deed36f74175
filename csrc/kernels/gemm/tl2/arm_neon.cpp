#include "kernels/gemm/arm_lut.hpp"
#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tl2_arm_neon(const gemm_args& args) {
  by_panels<tl2_panel>(args);
}

}  // namespace bp
