// softmax: the numerators of the probabilities of a row of logits, and their sums.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

inline constexpr std::int64_t softmax_block = 1024;  // values of a sum

struct softmax_sums {
  double sum, smallest;  // of the numerators of a block
};

// Contract: out[i] = exp(min(0, (x[i] - largest) / temperature)) in float64, each operation
// rounded; blocks[b] of the numerators [1024 b, 1024 (b + 1)), the last block shorter. x:
// float32[count], finite; out: float64[count]; blocks: [softmax_blocks(args)]; largest finite,
// temperature > 0, finite.
// Bound: |out - exact| <= 2^-51 exact + 2^-1074 on every ISA, exact being exp of the rounded
// quotient; out <= 1, and 1 where x[i] >= largest. A numerator depends on x[i] alone, a sum on
// those of its block: both are bit-equal over threads; |sum - exact| <= 1024 * 2^-53 exact.
struct softmax_args {
  const float* x;
  double* out;
  softmax_sums* blocks;
  std::int64_t count;
  double largest, temperature;
  std::int64_t begin, end;  // blocks, set by the driver
};

inline std::int64_t softmax_blocks(const softmax_args& args) {
  return (args.count + softmax_block - 1) / softmax_block;
}

inline kernel_work work_of(const softmax_args& args) {
  return {12 * args.count + 16 * softmax_blocks(args), 5 * args.count};
}

void run_softmax(const kernel_row& kernel, const softmax_args& args, int threads);

}  // namespace bp
