#include "kernels/gemv/arm_dot.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_i2_s_arm_neondot(const gemv_args& args) {
  gemv_rows<i2_s>(args);
}

}  // namespace bp
