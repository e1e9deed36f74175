// tl1: pairs of weights as table indices, 2 bits a weight, tiled.
//
// Pair index 3*w0 + w1 + 4 (0..8); a byte holds the pairs of four columns of one row, the first
// pair in the high nibble. Byte order, by = 256 / bm:
//   [N/BM][K/BK][BM/bm][BK/by][bm/16][by/4][16 rows]
// then the float32 scale at N*K/4 and 28 bytes of padding.
#pragma once

#include <cstdint>

#include "formats/tiling.hpp"

namespace bp::tl1 {

inline constexpr int largest_index = 8;

// Where the byte of columns k .. k+3 (k % 4 == 0) of row n stands.
static inline std::int64_t byte_offset(const tiling& tile, std::int64_t K, std::int64_t n,
                                       std::int64_t k) {
  const std::int64_t by = 256 / tile.bm;
  const std::int64_t in_tile = n % tile.BM, column = k % tile.BK;
  return (n - in_tile) * K / 4 + k / tile.BK * tile.BM * tile.BK / 4 +
         in_tile / tile.bm * tile.bm * tile.BK / 4 + column / by * 64 +
         in_tile % tile.bm / 16 * (by * 4) + column % by / 4 * 16 + in_tile % 16;
}

// Four columns of one row as a byte.
static inline std::uint8_t encode(const std::int8_t* w) {
  return static_cast<std::uint8_t>((3 * w[0] + w[1] + 4) << 4 | (3 * w[2] + w[3] + 4));
}

static inline void decode(std::uint8_t byte, std::int8_t* w) {
  w[0] = static_cast<std::int8_t>((byte >> 4) / 3 - 1);
  w[1] = static_cast<std::int8_t>((byte >> 4) % 3 - 1);
  w[2] = static_cast<std::int8_t>((byte & 15) / 3 - 1);
  w[3] = static_cast<std::int8_t>((byte & 15) % 3 - 1);
}

// A strip of bm rows by by columns, `stride` apart, to 64 contiguous bytes.
static inline void pack_unit(const std::int8_t* w, std::int64_t stride, int bm, std::uint8_t* out) {
  const int quads = 64 / bm;
  for (int r = 0; r < bm; ++r, w += stride)
    for (int q = 0; q < quads; ++q) out[(r / 16 * quads + q) * 16 + r % 16] = encode(w + 4 * q);
}

static inline void unpack_unit(const std::uint8_t* data, int bm, std::int8_t* w,
                               std::int64_t stride) {
  const int quads = 64 / bm;
  for (int r = 0; r < bm; ++r, w += stride)
    for (int q = 0; q < quads; ++q) decode(data[(r / 16 * quads + q) * 16 + r % 16], w + 4 * q);
}

}  // namespace bp::tl1
