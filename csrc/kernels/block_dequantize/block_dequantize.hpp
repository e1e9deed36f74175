// block_dequantize: codes with one float32 scale a block back to float32, bit-equal to the decoders
// of the BitNet.rs crates; kernel_* codecs, which have none there, decode by their code table.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract of every variant block_dequantize_<codec>_<isa>:
//   - writes x[block_begin * block .. min(block_end * block, count)), nothing else;
//   - value i has its code in byte i / 4, bits 2 * (i % 4) (device_tl1: byte i), its scale is
//     scales[i / block]; data and scales hold all of them;
//   - x[i] = table[code] * scale in float32 (decoders.hpp); block >= 1; no alignment is required.
struct block_dequantize_args {
  const std::uint8_t* data;
  const float* scales;
  float* x;
  std::int64_t count, block;
  std::int64_t block_begin, block_end;
};

// Runs one variant over all blocks on `threads` threads, as one span. Where `scales_count` scales
// are fewer than the blocks, values without a scale are zero, as in the crate. block_begin and
// block_end are set here.
void run_block_dequantize(const kernel_row& kernel, block_dequantize_args args,
                          std::int64_t scales_count, int threads);

}  // namespace bp
