// unpack: the bytes of a packed format to int8 [N, K] of -1, 0, 1.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/kernel.hpp"
#include "formats/layout.hpp"

namespace bp {

// Contract of every variant unpack_<format>_<isa>:
//   - unpacks rows row_begin .. row_end (multiples of row_step(), or row_end = N), columns 0 .. K;
//   - codes points at row row_begin, rows of K bytes follow each other, nothing else is written;
//     data points at byte 0; no alignment is required;
//   - data holds codes that the format admits (first_invalid(), where bytes enter); scales are not
//     read.
struct unpack_args {
  const std::uint8_t* data;
  std::int8_t* codes;
  std::int64_t N, K, K_padded;
  std::int64_t row_begin, row_end;
  tiling tile;  // tl1, tl2
};

// The arguments of `w`, with data, codes and rows still to be set.
unpack_args unpack_arguments(const layout& w);

// Runs one variant over all rows on `threads` threads, as one span.
void run_unpack(const kernel_row& kernel, const layout& w, const std::uint8_t* data,
                std::int8_t* codes, int threads);

struct rows_out {
  std::int8_t* w;
  std::int64_t stride;  // from row to row
};

// Where rows of `width` columns from column k on go: in place, or where they reach beyond K into
// `copy`, from which keep_columns() takes those that exist.
static inline rows_out columns(const unpack_args& args, std::int8_t* row, std::int64_t k, int width,
                               std::int8_t* copy) {
  if (k + width <= args.K) return {row + k, args.K};
  return {copy, width};
}

static inline void keep_columns(const unpack_args& args, std::int8_t* row, std::int64_t k, int rows,
                                int width, const std::int8_t* copy) {
  if (k + width <= args.K || k >= args.K) return;
  for (int r = 0; r < rows; ++r) {
    std::memcpy(row + r * args.K + k, copy + r * width, static_cast<std::size_t>(args.K - k));
  }
}

}  // namespace bp
