#pragma once

#include "kernels/block_dequantize/block_dequantize.hpp"
#include "kernels/block_dequantize/decoders.hpp"

namespace bp {
namespace {

inline void decode_blocks(const block_dequantize_args& args, const decoder& codec) {
  std::int64_t i = args.block_begin * args.block;
  for (std::int64_t b = args.block_begin; b < args.block_end; ++b) {
    const std::int64_t left = args.count - i;
    const std::int64_t stop = i + (left < args.block ? left : args.block);
    for (; i < stop; ++i) args.x[i] = decode(codec, args.data, i, args.scales[b]);
  }
}

}  // namespace
}  // namespace bp
