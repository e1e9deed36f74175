// block_quantize: float32 values to codes with one float32 scale a block, bit-equal to the scalar
// level of the BitNet.rs crates for every input, NaN and infinities included (codecs.hpp).
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract of every variant block_quantize_<codec>_<isa>:
//   - encodes blocks [block_begin, block_end) of x[count]: writes their scales and their codes,
//     nothing else. Value i of the flat tensor has its code in byte i / 4, bits 2 * (i % 4)
//     (device_tl1: byte i); unused bits of the last byte are zero;
//   - block_begin * block is a multiple of 4, block_end * block too unless it is past the end, so
//     that no byte is shared between calls;
//   - only the first data_bytes bytes at data are touched: kernel_* codecs take a buffer that
//     cannot hold the last, partial byte, and OR their codes into what stands there;
//   - arithmetic is float32 as written in codecs.hpp, uncontracted; block >= 1; no alignment is
//     required; x, data and scales do not overlap.
struct block_quantize_args {
  const float* x;
  std::uint8_t* data;
  float* scales;
  std::int64_t count, block;
  std::int64_t data_bytes;
  std::int64_t block_begin, block_end;
};

// Runs one variant over all blocks on `threads` threads, as one span. block_begin and block_end are
// set here.
void run_block_quantize(const kernel_row& kernel, block_quantize_args args, int threads);

}  // namespace bp
