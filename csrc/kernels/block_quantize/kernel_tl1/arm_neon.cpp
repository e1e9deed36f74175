#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {

void block_quantize_kernel_tl1_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<kernel_tl1, threshold_steps<kernel_tl1_rule>>(args);
}

}  // namespace bp
