// Rows to float32, eight weights at a time. For ISA files.
#pragma once

#include "kernels/eight_weights.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {
namespace {

// A row of K weights. Formats of blocks have a specialization for each ISA.
template <class Format>
inline void embed_row(const std::uint8_t* w, std::int64_t K, float* out) {
  std::int64_t k = 0;
  for (; k + 8 <= K; k += 8) store_eight(out + k, eight_weights<Format>(w + k * Format::bytes));
  for (; k < K; ++k) out[k] = Format::value(w + k * Format::bytes);
}

template <class Format>
inline void embed_rows(const embed_args& args) {
  const std::int64_t row_bytes = args.K / Format::block * Format::bytes;
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m)
    embed_row<Format>(args.w + args.tokens[m] * row_bytes, args.K, args.out + m * args.K);
}

}  // namespace
}  // namespace bp
