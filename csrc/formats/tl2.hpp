// tl2: triples of weights as table indices with a separate sign, 5 bits per 3 weights, tiled.
//
// The first K3 = floor(K/BK)*BK columns are triples, the other K2 = K - K3 (K2 % 32 == 0) pairs:
//   triple indices  K3*N/6 bytes   [N/BM][K3/BK][BM/32][BK/6][32 rows]
//   triple signs    K3*N/24 bytes  [N/BM][K3/BK][BM/32][BK/24][16 x uint16]
//   pair indices    K2*N/4 bytes   [N/BM][K2/32][BM/32][8][32 rows]
//   zeros up to scale_offset(), the float32 scale, 28 bytes of padding
// Triple v = 9*w0 + 3*w1 + w2 (-13..13): index |v|, sign v < 0. A byte holds two triples (six
// columns) or two pairs (four columns, indices as in tl1) of one row, the first in the high nibble.
// The 32 rows of a vector stand in the order 0-7, 16-23, 8-15, 24-31. Signs: uint16 r serves rows
// r and r+16; of triple t (0..7) of 24 columns bit 15-2t is row r, bit 14-2t row r+16.
// The sign of a zero triple is written as 0 and ignored when read.
#pragma once

#include <cstdint>

#include "formats/tiling.hpp"
#include "formats/tl1.hpp"

namespace bp::tl2 {

inline constexpr int largest_index = 13;

static inline std::int64_t triple_columns(const tiling& tile, std::int64_t K) {
  return K / tile.BK * tile.BK;
}
static inline std::int64_t signs_offset(const tiling& tile, std::int64_t N, std::int64_t K) {
  return triple_columns(tile, K) * N / 6;
}
static inline std::int64_t pairs_offset(const tiling& tile, std::int64_t N, std::int64_t K) {
  const std::int64_t K3 = triple_columns(tile, K);
  return K3 * N / 6 + K3 * N / 24;
}
static inline std::int64_t code_bytes(const tiling& tile, std::int64_t N, std::int64_t K) {
  return pairs_offset(tile, N, K) + (K - triple_columns(tile, K)) * N / 4;
}

// The engine's own formula for the place of the scale. It always leaves room for the codes: before
// rounding it is K*N*5/24 + 32*N/3, the codes are K*N*5/24 + K2*N/24, and K2 < BK <= 240. For
// K < 256, where its unsigned arithmetic would wrap, the divisions here round down instead.
static inline std::int64_t scale_offset(std::int64_t N, std::int64_t K) {
  const std::int64_t thirds = (K - 256) * N;
  const std::int64_t third = (thirds - ((thirds % 3 + 3) % 3)) / 3;
  const std::int64_t eighths = third * 5;
  const std::int64_t bytes = (eighths - ((eighths % 8 + 8) % 8)) / 8 + 64 * N;
  return (bytes + 31) / 32 * 32;
}

// Where the vector of 32 rows at n (n % 32 == 0) and columns k .. begins: six columns from
// k % 6 == 0 (triples), the 32 bytes of signs of 24 columns from k % 24 == 0, or four columns from
// k % 4 == 0 beyond K3 (pairs). K is the padded one.
static inline std::int64_t triples_at(const tiling& tile, std::int64_t K, std::int64_t n,
                                      std::int64_t k) {
  const std::int64_t in_tile = n % tile.BM, column = k % tile.BK;
  return (n - in_tile) * triple_columns(tile, K) / 6 + k / tile.BK * tile.BM * tile.BK / 6 +
         in_tile * tile.BK / 6 + column / 6 * 32;
}
static inline std::int64_t signs_at(const tiling& tile, std::int64_t N, std::int64_t K,
                                    std::int64_t n, std::int64_t k) {
  const std::int64_t in_tile = n % tile.BM, column = k % tile.BK;
  return signs_offset(tile, N, K) + (n - in_tile) * triple_columns(tile, K) / 24 +
         k / tile.BK * tile.BM * tile.BK / 24 + in_tile * tile.BK / 24 + column / 24 * 32;
}
static inline std::int64_t pairs_at(const tiling& tile, std::int64_t N, std::int64_t K,
                                    std::int64_t n, std::int64_t k) {
  const std::int64_t in_tile = n % tile.BM, K3 = triple_columns(tile, K), column = k - K3;
  return pairs_offset(tile, N, K) + (n - in_tile) * (K - K3) / 4 + column / 32 * tile.BM * 8 +
         in_tile * 8 + column % 32 / 4 * 32;
}

// Place of row r (0..31) in a vector of 32 rows: blocks 1 and 2 of eight rows change places.
static inline int row_place(int r) {
  const int block = r / 8;
  return (block == 1 || block == 2 ? 24 - 8 * block : 8 * block) + r % 8;
}

// 32 rows of 24 columns, `stride` apart: four vectors of indices (128 bytes) and the signs.
static inline void pack_triples(const std::int8_t* w, std::int64_t stride, std::uint8_t* indices,
                                std::uint8_t* signs) {
  std::uint16_t lanes[16] = {};
  for (int r = 0; r < 32; ++r, w += stride) {
    std::uint8_t index[8];
    unsigned minus = 0;
    for (int t = 0; t < 8; ++t) {
      const int v = 9 * w[3 * t] + 3 * w[3 * t + 1] + w[3 * t + 2];
      index[t] = static_cast<std::uint8_t>(v < 0 ? -v : v);
      minus |= static_cast<unsigned>(v < 0) << (15 - 2 * t);
    }
    lanes[r % 16] = static_cast<std::uint16_t>(lanes[r % 16] | minus >> r / 16);
    for (int j = 0; j < 4; ++j) {
      indices[32 * j + row_place(r)] =
          static_cast<std::uint8_t>(index[2 * j] << 4 | index[2 * j + 1]);
    }
  }
  for (int r = 0; r < 16; ++r) {
    signs[2 * r] = static_cast<std::uint8_t>(lanes[r]);
    signs[2 * r + 1] = static_cast<std::uint8_t>(lanes[r] >> 8);
  }
}

static inline void unpack_triples(const std::uint8_t* indices, const std::uint8_t* signs,
                                  std::int8_t* w, std::int64_t stride) {
  for (int r = 0; r < 32; ++r, w += stride) {
    const unsigned lane = signs[r % 16 * 2] | signs[r % 16 * 2 + 1] << 8;
    for (int t = 0; t < 8; ++t) {
      const int byte = indices[t / 2 * 32 + row_place(r)];
      const int index = t % 2 == 0 ? byte >> 4 : byte & 15;
      const int v = 13 + (lane >> (15 - 2 * t - r / 16) & 1 ? -index : index);
      w[3 * t] = static_cast<std::int8_t>(v / 9 - 1);
      w[3 * t + 1] = static_cast<std::int8_t>(v / 3 % 3 - 1);
      w[3 * t + 2] = static_cast<std::int8_t>(v % 3 - 1);
    }
  }
}

// 32 rows of four columns: one vector of pair indices.
static inline void pack_pairs(const std::int8_t* w, std::int64_t stride, std::uint8_t* out) {
  for (int r = 0; r < 32; ++r) out[row_place(r)] = tl1::encode(w + r * stride);
}

static inline void unpack_pairs(const std::uint8_t* data, std::int8_t* w, std::int64_t stride) {
  for (int r = 0; r < 32; ++r) tl1::decode(data[row_place(r)], w + r * stride);
}

}  // namespace bp::tl2
