#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {

void block_quantize_device_i2s_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<device_i2s, sign_steps<device_i2s_rule>>(args);
}

}  // namespace bp
