#include "kernels/gemv/arm_dot.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_native_i2_r4_arm_neondot(const gemv_args& args) {
  args.block_scales ? scaled_rows<native_i2_r4>(args) : gemv_four_rows(args);
}

}  // namespace bp
