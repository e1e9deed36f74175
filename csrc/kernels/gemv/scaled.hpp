// gemv and gemm of the 2-bit formats with a scale in each block: what every ISA with vectors
// shares. For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/two_bit.hpp"

namespace bp {
namespace {

// The shared memory holds the sums of activation blocks, [M][blocks]. A class `Rows` gives
//   sum_of(q, count)                       the sum of `count` activations, a multiple of 128
//   scaled<Format, T>(args, sums, n, m)    scaled[m, n] of row n and the T tokens from m on
// Steps `plan` and `prepare`: the sums.
template <class Format, class Rows>
inline void prepare_block_sums(const product_args& args) {
  constexpr std::int64_t weights = Format::block_weights;
  const std::int64_t blocks = (args.K + weights - 1) / weights;
  auto* sums = reinterpret_cast<std::int32_t*>(args.shared);
  if (args.step == product_step::plan) {
    args.needs->shared_bytes = static_cast<std::size_t>(args.M * blocks) * sizeof sums[0];
    args.needs->shared_parts = args.M;
    return;
  }
  for (std::int64_t m = args.part_begin; m < args.part_end; ++m) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      const std::int64_t left = args.K - b * weights;
      sums[m * blocks + b] =
          Rows::sum_of(args.q + m * args.K + b * weights, left < weights ? left : weights);
    }
  }
}

template <class Format, class Rows>
inline void scaled_rows_by(const product_args& args) {
  if (args.step != product_step::rows) return prepare_block_sums<Format, Rows>(args);
  const auto* sums = reinterpret_cast<const std::int32_t*>(args.shared);
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    std::int64_t m = 0;
    for (; m + 4 <= args.M; m += 4) Rows::template scaled<Format, 4>(args, sums, n, m);
    for (; m < args.M; ++m) Rows::template scaled<Format, 1>(args, sums, n, m);
  }
}

}  // namespace
}  // namespace bp
