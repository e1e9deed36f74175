#include "kernels/block_dequantize/scalar.hpp"
#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {

void block_dequantize_device_tl1_scalar(const block_dequantize_args& args) {
  decode_blocks(args, device_tl1_decoder);
}

}  // namespace bp
