// The scalar gemv and gemm of tl2: the reference for every other ISA.
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/tl.hpp"

namespace bp {
namespace {

// Nibble t of a row: the high one of vector t / 2 where t is even. Rows of a vector of 32 bytes
// are stored in the order 0-7, 16-23, 8-15, 24-31.
inline int tl2_index(const std::uint8_t* w, int row, int t) {
  const int position = (row & 7) | (row & 8) << 1 | (row & 16) >> 1;
  return w[t / 2 * 32 + position] >> (t % 2 == 0 ? 4 : 0) & 15;
}

// Adds 24 columns of 32 rows. Sign lane r (16 bits) serves rows r and r + 16: triple t has bit
// 15 - 2 * t for row r and bit 14 - 2 * t for row r + 16.
inline void add_triples(const std::uint8_t* w, const std::uint8_t* signs, const std::int8_t* q,
                        std::int32_t* y) {
  for (int r = 0; r < 32; ++r) {
    const int lane = r % 16;
    const int bits = signs[2 * lane] | signs[2 * lane + 1] << 8;
    for (int t = 0; t < 8; ++t) {
      const int v = tl2_index(w, r, t);
      const std::int8_t* x = q + 3 * t;
      const int sum = tl_triple[0][v] * x[0] + tl_triple[1][v] * x[1] + tl_triple[2][v] * x[2];
      y[r] += bits >> (15 - 2 * t - r / 16) & 1 ? -sum : sum;
    }
  }
}

// Adds 32 columns of 32 rows.
inline void add_pairs(const std::uint8_t* w, const std::int8_t* q, std::int32_t* y) {
  for (int r = 0; r < 32; ++r) {
    for (int t = 0; t < 16; ++t) {
      const int v = tl2_index(w, r, t);
      y[r] += tl_pair[0][v] * q[2 * t] + tl_pair[1][v] * q[2 * t + 1];
    }
  }
}

// y[0 .. rows): sums of the rows from n on, which end in the same tile.
inline void tl2_sums(const product_args& args, std::int64_t n, std::int64_t rows,
                     const std::int8_t* q, std::int32_t* y) {
  const tl2_parts part(args.w, args.N, args.K, args.tile);
  for (std::int64_t r = 0; r < rows; ++r) y[r] = 0;
  for (std::int64_t k = 0; k < part.K3; k += args.tile.BK) {
    const std::uint8_t* w = part.triples(n, k);
    const std::uint8_t* signs = part.signs(n, k);
    for (std::int64_t r = 0; r < rows; r += 32) {
      for (std::int64_t c = k; c < k + args.tile.BK; c += 24, w += 128, signs += 32)
        add_triples(w, signs, q + c, y + r);
    }
  }
  for (std::int64_t k = part.K3; k < args.K; k += 32) {
    const std::uint8_t* w = part.pairs(n, k);
    for (std::int64_t r = 0; r < rows; r += 32, w += 256) add_pairs(w, q + k, y + r);
  }
}

void tl2_rows(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = 32;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin, end; n < args.row_end; n = end) {
    end = tile_end(args.tile, n, args.row_end);
    for (std::int64_t m = 0; m < args.M; ++m)
      tl2_sums(args, n, end - n, args.q + m * args.K, args.y + m * args.N + n);
  }
}

}  // namespace
}  // namespace bp
