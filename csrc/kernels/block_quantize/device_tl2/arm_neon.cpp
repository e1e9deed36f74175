#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {

void block_quantize_device_tl2_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<device_tl2, level_steps<3>>(args);
}

}  // namespace bp
