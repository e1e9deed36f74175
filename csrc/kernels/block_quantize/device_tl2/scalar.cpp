#include "kernels/block_quantize/scalar.hpp"
#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {

void block_quantize_device_tl2_scalar(const block_quantize_args& args) {
  encode_blocks<device_tl2>(args, args.block_begin, args.block_end);
}

}  // namespace bp
