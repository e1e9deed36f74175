// A piece of a ternary matrix on its way from one format to another: 32 rows of 384 columns in
// shared memory, which is whole groups of every format (128, 32 and 24 columns; 16 and 32 rows).
//
// Four columns of a row are a byte, a quad: code w + 1 of column i at bit 2 i. Rows are 100 bytes
// apart, 25 banks: the same quad of eight rows lies in eight banks.
#pragma once

#include "device/activations.cuh"
#include "device/frag16x32.cuh"

constexpr int tile_rows = 32;
constexpr int tile_columns = 384;
constexpr int tile_quads = tile_columns / 4;
constexpr int tile_stride = tile_quads + 4;          // bytes from row to row
constexpr int tile_bytes = tile_rows * tile_stride;  // of a warp
constexpr int tile_warps = 4;                        // of a block, each with a piece of its own
constexpr int tile_threads = tile_warps * warp_lanes;
constexpr u32 zero_quad = 0x55;

// Where a piece stands, and in what: W is [N, K]; BM, BK, bm are the tiling of tl1 and tl2.
struct piece {
  int n, k;  // its first row and column
  int N, K;
  int BM, BK, bm;
  float scale;  // what codes are worth, or where they change
};

// Codes at bits 0, 8, 16, 24 of a word as a quad, and back.
BP_DEVICE u32 quad_of(u32 word) {
  word &= codes;
  return (word | word >> 6 | word >> 12 | word >> 18) & 0xffu;
}
BP_DEVICE u32 word_of(u32 quad) {
  return (quad | quad << 6 | quad << 12 | quad << 18) & codes;
}

BP_DEVICE int rounded_up(int value, int step) {
  return (value + step - 1) / step * step;
}

// Byte i of 16.
BP_DEVICE u32 byte_of(const uint4& v, int i) {
  const u32 word = i / 4 == 0 ? v.x : i / 4 == 1 ? v.y : i / 4 == 2 ? v.z : v.w;
  return word >> i % 4 * 8 & 0xffu;
}

// Zero weights behind the last row and column; what lies inside is loaded.
BP_DEVICE void pad(const piece& p, int lane, u8* tile) {
  u8* const row = tile + lane * tile_stride;
  const int columns = p.n + lane < p.N ? min(p.K - p.k, tile_columns) : 0;
  if (columns % 4 != 0) {
    const u32 inside = (1u << columns % 4 * 2) - 1;
    row[columns / 4] = static_cast<u8>((row[columns / 4] & inside) | (zero_quad & ~inside));
  }
  for (int quad = (columns + 3) / 4; quad < tile_quads; ++quad)
    row[quad] = static_cast<u8>(zero_quad);
}
