#include "kernels/gemv/arm_dot.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_tq2_0_arm_neon(const gemv_args& args) {
  args.block_scales ? scaled_rows<tq2_0>(args) : gemv_rows<tq2_0>(args);
}

}  // namespace bp
