#include "kernels/argmax/eight.hpp"

namespace bp {

void argmax_f32_arm_neon(const argmax_args& args) {
  argmax_of(args);
}

}  // namespace bp
