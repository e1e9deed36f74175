#include "kernels/gemm/arm_lut.hpp"
#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_tl2_arm_neon(const gemv_args& args) {
  by_panels<tl2_panel>(args);
}

}  // namespace bp
