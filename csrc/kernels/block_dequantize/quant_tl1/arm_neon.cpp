#include "kernels/block_dequantize/arm_neon.hpp"

#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {

void block_dequantize_quant_tl1_arm_neon(const block_dequantize_args& args) {
  decode_blocks_neon(args, quant_tl1_decoder);
}

}  // namespace bp
