// Panels of tl1 and tl2, [columns / 4][16 rows][4 codes]: where the bytes of 16 rows stand (n is a
// multiple of 16, so its rows are in one strip). A class `Codes` unpacks them:
//   pairs(panel, w)              16 bytes of rows n .. n + 15: four columns
//   pairs(panel, w, n)           the same out of the bytes of 32 rows (tl2)
//   triples(panel, w, signs, n)  24 columns out of the indices and signs of 32 rows
// For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/gemm/panels.hpp"
#include "kernels/tl.hpp"

namespace bp {
namespace {

template <class Codes>
struct tl1_columns {
  static constexpr std::int64_t width = 512;

  static void fill(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t count,
                   std::uint8_t* panel) {
    const auto [BM, BK, bm] = args.tile;
    // Within a strip: [BK/by] blocks of 64 bytes, [bm/16][by/4] units of 16 bytes; by is 8 or 4.
    const int two = bm == 32 ? 1 : 0;
    const std::int64_t strip = n - n % bm, end = begin + count;
    for (std::int64_t k = begin; k < end;) {
      const std::int64_t in_tile = k % BK, rest = BK - in_tile;
      const std::uint8_t* w = args.w + tile_weights(args.tile, args.K, strip, k - in_tile) / 4;
      w += (n - strip) / 16 * (16 << two);
      const std::int64_t stop = end - k < rest ? end : k + rest;
      for (std::int64_t unit = in_tile / 4; k < stop; k += 4, ++unit, panel += 4 * panel_rows)
        Codes::pairs(panel, w + (unit >> two) * 64 + (unit & two) * 16);
    }
  }
};

template <class Codes>
struct tl2_columns {
  static constexpr std::int64_t width = 480;  // groups of 24 columns

  static void fill(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t count,
                   std::uint8_t* panel) {
    const tl2_parts part(args.w, args.N, args.K, args.tile);
    const std::int64_t strip = n - n % 32, end = begin + count;
    std::int64_t k = begin;
    for (; k < end && k < part.K3; k += 24, panel += 24 * panel_rows) {
      const std::int64_t in_tile = k % args.tile.BK;
      Codes::triples(panel, part.triples(strip, k - in_tile) + in_tile / 6 * 32,
                     part.signs(strip, k - in_tile) + in_tile / 24 * 32, n);
    }
    for (; k < end; k += 4, panel += 4 * panel_rows) {
      const std::int64_t in_group = (k - part.K3) % 32;
      Codes::pairs(panel, part.pairs(strip, k - in_group) + in_group / 4 * 32, n);
    }
  }
};

}  // namespace
}  // namespace bp
