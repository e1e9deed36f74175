#include "kernels/ternarize/arm_neon.hpp"

namespace bp {

void ternarize_f32_arm_neon(const ternarize_args& args) {
  ternarize_rows<neon_ops, float>(args);
}

}  // namespace bp
