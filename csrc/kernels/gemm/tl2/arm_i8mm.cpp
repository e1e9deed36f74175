#include "kernels/gemm/arm_i8mm.hpp"

#include "kernels/gemm/arm_lut.hpp"
#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tl2_arm_i8mm(const gemm_args& args) {
  by_pair_panels<pairs_of<tl2_panel>>(args);
}

}  // namespace bp
