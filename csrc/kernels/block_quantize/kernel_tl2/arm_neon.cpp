#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {

void block_quantize_kernel_tl2_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<kernel_tl2, threshold_steps<kernel_tl2_rule>>(args);
}

}  // namespace bp
