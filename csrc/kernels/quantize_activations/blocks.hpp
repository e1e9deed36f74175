// Blocks of activations under a scale each: what q8_k and q8_0 share on every ISA with vectors. For
// ISA files, behind the header that gives largest_magnitude() and infinity_bits.
#pragma once

#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

// What a block is multiplied with, and the scale it keeps.
struct block_scale {
  float inverse, scale;
};

// Rows [row_begin, row_end) in blocks of `block`. scale_of(x, bits), with the bits of the largest
// magnitude, a finite one; store(values, x, inverse) writes a block and returns the sum of its
// values. Where the inverse is infinite the block becomes zeros.
template <int block, class Scale, class Store>
inline void quantize_blocks(const quantize_activations_args& args, Scale scale_of, Store store) {
  const std::int64_t blocks = args.K / block;
  for (std::int64_t b = args.row_begin * blocks; b < args.row_end * blocks; ++b) {
    const float* x = static_cast<const float*>(args.x) + b * block;
    std::int8_t* values = args.values + b * block;
    const auto bits = largest_magnitude(x, block);
    const bool finite = bits < infinity_bits;
    const block_scale found = finite ? scale_of(x, bits) : block_scale{0.0f, 0.0f};
    if (!finite || __builtin_fabsf(found.inverse) > __FLT_MAX__) {
      args.scale[b] = finite ? 0.0f : __builtin_nanf("");
      args.sum[b] = 0;
      __builtin_memset(values, 0, block);
      continue;
    }
    args.scale[b] = found.scale;
    args.sum[b] = store(values, x, found.inverse);
  }
}

}  // namespace
}  // namespace bp
