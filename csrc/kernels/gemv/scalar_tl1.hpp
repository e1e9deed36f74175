// The scalar gemv and gemm of tl1: the reference for every other ISA.
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/tl.hpp"

namespace bp {
namespace {

// Adds 4 columns of 16 rows: byte r holds the pairs of columns 0, 1 (high nibble) and 2, 3 of row
// r.
inline void add_unit(const std::uint8_t* w, const std::int8_t* q, std::int32_t* y) {
  for (int r = 0; r < 16; ++r) {
    const int high = w[r] >> 4, low = w[r] & 15;
    y[r] += tl_pair[0][high] * q[0] + tl_pair[1][high] * q[1] + tl_pair[0][low] * q[2] +
            tl_pair[1][low] * q[3];
  }
}

// y[0 .. rows): sums of the rows from n on, which end in the same tile.
inline void tl1_sums(const product_args& args, std::int64_t n, std::int64_t rows,
                     const std::int8_t* q, std::int32_t* y) {
  const auto [BM, BK, bm] = args.tile;
  const int by = 256 / bm;
  for (std::int64_t r = 0; r < rows; ++r) y[r] = 0;
  for (std::int64_t k = 0; k < args.K; k += BK) {
    const std::uint8_t* w = args.w + tile_weights(args.tile, args.K, n, k) / 4;
    for (std::int64_t strip = 0; strip < rows; strip += bm) {
      for (int block = 0; block < BK; block += by) {
        for (int r = 0; r < bm; r += 16) {
          for (int c = 0; c < by; c += 4, w += 16) add_unit(w, q + k + block + c, y + strip + r);
        }
      }
    }
  }
}

void tl1_rows(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = args.tile.bm;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin, end; n < args.row_end; n = end) {
    end = tile_end(args.tile, n, args.row_end);
    for (std::int64_t m = 0; m < args.M; ++m)
      tl1_sums(args, n, end - n, args.q + m * args.K, args.y + m * args.N + n);
  }
}

}  // namespace
}  // namespace bp
