#include "kernels/ternarize/arm_neon.hpp"

namespace bp {

void ternarize_f16_arm_neon(const ternarize_args& args) {
  ternarize_rows<neon_ops, std::uint16_t>(args);
}

}  // namespace bp
