#include "kernels/block_dequantize/x86_avx2.hpp"

#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {

void block_dequantize_device_i2s_x86_avx2(const block_dequantize_args& args) {
  decode_blocks_avx2(args, device_i2s_decoder);
}

}  // namespace bp
