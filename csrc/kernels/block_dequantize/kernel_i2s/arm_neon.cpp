#include "kernels/block_dequantize/arm_neon.hpp"

#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {

void block_dequantize_kernel_i2s_arm_neon(const block_dequantize_args& args) {
  decode_blocks_neon(args, kernel_i2s_decoder);
}

}  // namespace bp
