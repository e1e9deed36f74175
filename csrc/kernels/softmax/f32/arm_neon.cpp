#include "kernels/softmax/four.hpp"

namespace bp {

void softmax_f32_arm_neon(const softmax_args& args) {
  softmax_of(args);
}

}  // namespace bp
