#include "kernels/softmax/softmax.hpp"

namespace bp {

void softmax_f32_scalar(const softmax_args& args) {
  for (std::int64_t b = args.begin; b < args.end; ++b) {
    softmax_sums block{0, 1};
    const std::int64_t begin = b * softmax_block, full = begin + softmax_block;
    for (std::int64_t i = begin; i < (full < args.count ? full : args.count); ++i) {
      const double z = (static_cast<double>(args.x[i]) - args.largest) / args.temperature;
      const double power = z < 0 ? __builtin_exp(z) : 1.0;
      block.sum += power;
      if (power < block.smallest) block.smallest = power;
      args.out[i] = power;
    }
    args.blocks[b] = block;
  }
}

}  // namespace bp
