// The block-scaled codecs of the BitNet.rs crates that have native kernels: the one list of their
// ids, kernel names (the id with '_' for '.'), blocks and code widths.
#pragma once

#include <cstdint>
#include <string_view>

namespace bp {

struct block_codec {
  std::string_view id;       // what people write: quant.i2s
  std::string_view kernel;   // the format column of families block_quantize, block_dequantize
  std::int64_t block;        // values that share a scale, unless the caller chooses
  std::int64_t least, most;  // blocks the encoder admits (`least` where fewer are asked for)
  int bits;                  // of a code: 2 (four a byte, first in the low bits) or 8
  bool merges;               // codes are ORed into the output buffer as it is
};

inline constexpr std::int64_t any_block = std::int64_t{1} << 40;

inline constexpr block_codec block_codecs[] = {
    {"quant.i2s", "quant_i2s", 32, 4, any_block, 2, false},
    {"quant.tl1", "quant_tl1", 64, 1, any_block, 2, false},
    {"quant.tl2", "quant_tl2", 64, 1, any_block, 2, false},
    {"device.i2s", "device_i2s", 32, 32, 32, 2, false},
    {"device.tl1", "device_tl1", 16, 16, 16, 8, false},
    {"device.tl2", "device_tl2", 32, 32, 32, 2, false},
    {"kernel.i2s", "kernel_i2s", 32, 32, 32, 2, true},
    {"kernel.tl1", "kernel_tl1", 64, 64, 64, 2, true},
    {"kernel.tl2", "kernel_tl2", 128, 128, 128, 2, true},
};

// Bytes of `count` codes.
constexpr std::int64_t code_bytes(const block_codec& codec, std::int64_t count) {
  return codec.bits == 8 ? count : count / 4 + (count % 4 != 0);
}

}  // namespace bp
