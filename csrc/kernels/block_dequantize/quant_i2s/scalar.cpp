#include "kernels/block_dequantize/scalar.hpp"
#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {

void block_dequantize_quant_i2s_scalar(const block_dequantize_args& args) {
  decode_blocks(args, quant_i2s_decoder);
}

}  // namespace bp
