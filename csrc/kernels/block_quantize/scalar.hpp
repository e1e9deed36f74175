// The loop over blocks, one value at a time, for any block size.
#pragma once

#include "kernels/block_quantize/block_quantize.hpp"
#include "kernels/block_quantize/codecs.hpp"

namespace bp {
namespace {

template <bool merges>
inline void put_byte(const block_quantize_args& args, std::int64_t at, unsigned byte) {
  if (at >= args.data_bytes) return;
  args.data[at] = static_cast<std::uint8_t>(merges ? args.data[at] | byte : byte);
}

// Blocks [begin, end) of args, where begin * block is a multiple of 4.
template <class Codec>
void encode_blocks(const block_quantize_args& args, std::int64_t begin, std::int64_t end) {
  unsigned byte = 0;
  std::int64_t i = begin * args.block;
  for (std::int64_t b = begin; b < end; ++b) {
    const std::int64_t left = args.count - i;
    const std::int64_t n = left < args.block ? left : args.block;
    const Codec codec = Codec::start(args.x + i, n, args.scales + b);
    for (const std::int64_t stop = i + n; i < stop; ++i) {
      const unsigned code = codec.code(args.x[i]);
      if constexpr (Codec::bytes) {
        put_byte<Codec::merges>(args, i, code);
      } else {
        byte |= code << (2 * (i % 4));
        if (i % 4 != 3) continue;
        put_byte<Codec::merges>(args, i / 4, byte);
        byte = 0;
      }
    }
  }
  if (!Codec::bytes && i % 4 != 0) put_byte<Codec::merges>(args, i / 4, byte);
}

}  // namespace
}  // namespace bp
