// pack: int8 [N, K] of -1, 0, 1 to the bytes of a packed format.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/kernel.hpp"
#include "formats/layout.hpp"

namespace bp {

// Contract of every variant pack_<format>_<isa>:
//   - packs rows row_begin .. row_end (multiples of row_step(), or row_end = N), nothing else;
//     columns K .. K_padded, and in native layouts rows beyond N, become zero weights;
//   - codes points at row row_begin, rows of K bytes follow each other; data at byte 0;
//   - writes all bytes of codes and block scales, never the trailer; no alignment is required;
//   - where a weight is none of -1, 0, 1 it sets *invalid to 1 (relaxed, from any thread) and may
//     leave any bytes in its rows.
struct pack_args {
  const std::int8_t* codes;
  std::uint8_t* data;
  std::int64_t N, K, K_padded;
  std::int64_t row_begin, row_end;
  tiling tile;      // tl1, tl2
  std::uint16_t d;  // tq1_0, tq2_0: the float16 scale of every block
  std::uint8_t* invalid;
};

// The arguments of `w`, with codes, data, d and rows still to be set.
pack_args pack_arguments(const layout& w);

// Runs one variant over all rows on `threads` threads, as one span; raises error_kind::format that
// names the first weight that is none of -1, 0, 1.
void run_pack(const kernel_row& kernel, const layout& w, const std::int8_t* codes,
              std::uint8_t* data, std::uint16_t d, int threads);

// Raises the error for the first weight of int8 [N, K] that is none of -1, 0, 1; returns where all
// are.
void check_codes(const std::int8_t* codes, std::int64_t N, std::int64_t K);

static inline void mark_invalid(const pack_args& args) {
  __atomic_store_n(args.invalid, std::uint8_t{1}, __ATOMIC_RELAXED);
}

struct rows_in {
  const std::int8_t* w;
  std::int64_t stride;  // from row to row
};

// `rows` rows of `width` columns from column k on, as they are, or where they reach beyond K as a
// copy in `copy` (rows * width bytes) with zeros there.
static inline rows_in columns(const pack_args& args, const std::int8_t* row, std::int64_t k,
                              int rows, int width, std::int8_t* copy) {
  if (k + width <= args.K) return {row + k, args.K};
  const std::int64_t count = args.K > k ? args.K - k : 0;
  std::memset(copy, 0, static_cast<std::size_t>(rows * width));
  for (int r = 0; count > 0 && r < rows; ++r)
    std::memcpy(copy + r * width, row + r * args.K + k, static_cast<std::size_t>(count));
  return {copy, width};
}

}  // namespace bp
