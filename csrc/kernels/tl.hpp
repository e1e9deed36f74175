// What the kernels of tl1 and tl2 share: index tables, and where a row of a tile stands.
// For ISA files: everything is in an anonymous namespace, so no copy of it can leak to another ISA.
#pragma once

#include <cstdint>

#include "formats/tiling.hpp"

namespace bp {
namespace {

// Weights of pair index 3 * w0 + w1 + 4 (0 .. 8); the rest of a nibble is never stored.
[[maybe_unused]] constexpr std::int8_t tl_pair[2][16] = {{-1, -1, -1, 0, 0, 0, 1, 1, 1},
                                                         {-1, 0, 1, -1, 0, 1, -1, 0, 1}};

// Weights of triple index |9 * w0 + 3 * w1 + w2| (0 .. 13), in the form that is not negative.
[[maybe_unused]] constexpr std::int8_t tl_triple[3][16] = {
    {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    {0, 0, 1, 1, 1, -1, -1, -1, 0, 0, 0, 1, 1, 1},
    {0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1}};

// Weights stored before row n, column k, where columns [0, K) are stored tile by tile, a tile row
// by row (strips of rows for a reader who looks closer), and k begins a tile.
inline std::int64_t tile_weights(const tiling& tile, std::int64_t K, std::int64_t n,
                                 std::int64_t k) {
  const std::int64_t in_tile = n % tile.BM;
  return (n - in_tile) * K + k * tile.BM + in_tile * tile.BK;
}

// The first row after n that is in another tile, or `end`.
inline std::int64_t tile_end(const tiling& tile, std::int64_t n, std::int64_t end) {
  const std::int64_t next = n - n % tile.BM + tile.BM;
  return next < end ? next : end;
}

// The parts of a tl2 tensor, one behind the other: triples of the first K3 columns as indices
// [N/BM][K3/BK][BM/32][BK/6][32] and signs [N/BM][K3/BK][BM/32][BK/24][32], then pairs of the other
// columns [N/BM][K2/32][BM/32][8][32]. n is a multiple of 32, k begins a tile (pairs: of 32
// columns).
struct tl2_parts {
  const std::uint8_t* w;
  std::int64_t N, K, K3;
  tiling tile;

  tl2_parts(const std::uint8_t* bytes, std::int64_t rows, std::int64_t columns, const tiling& t)
      : w(bytes), N(rows), K(columns), K3(columns / t.BK * t.BK), tile(t) {}

  const std::uint8_t* triples(std::int64_t n, std::int64_t k) const {
    return w + tile_weights(tile, K3, n, k) / 6;
  }
  const std::uint8_t* signs(std::int64_t n, std::int64_t k) const {
    return w + N * K3 / 6 + tile_weights(tile, K3, n, k) / 24;
  }
  const std::uint8_t* pairs(std::int64_t n, std::int64_t k) const {
    return w + N * K3 / 24 * 5 + tile_weights({tile.BM, 32, 32}, K - K3, n, k - K3) / 4;
  }
};

}  // namespace
}  // namespace bp
