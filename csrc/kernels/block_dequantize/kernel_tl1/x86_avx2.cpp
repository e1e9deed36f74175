#include "kernels/block_dequantize/x86_avx2.hpp"

#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {

void block_dequantize_kernel_tl1_x86_avx2(const block_dequantize_args& args) {
  decode_blocks_avx2(args, kernel_tl1_decoder);
}

}  // namespace bp
