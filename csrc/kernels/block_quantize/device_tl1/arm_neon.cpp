#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {

void block_quantize_device_tl1_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<device_tl1, level_steps<15>>(args);
}

}  // namespace bp
