// tl1, tl2 and tq1_0 on AMX: a part of a panel is unpacked whole, before its products. For ISA
// files: in an anonymous namespace.
#pragma once

#include "kernels/gemm/x86_amx_panels.hpp"
#include "kernels/gemm/x86_avx512_lut.hpp"

namespace bp {
namespace {

// Whether AVX-512 VNNI takes these: fewer than `fewest` pay here, measured, or than is tuned.
inline bool few_tokens(const product_args& args, std::int64_t fewest) {
  return args.M < fewest || args.M < args.tuned.amx_tokens;
}

// A class `Panel` of panels.hpp as rows of x86_amx_panels.hpp, its panel two of those side by side:
// [2][columns / 64][16 lines of 16 rows by 4 columns]. `Order` is one of panels.hpp.
template <class Panel, class Order, std::int64_t of_groups, std::int64_t groups>
struct panel_tiles {
  static constexpr std::int64_t unit = of_groups, most = groups, line_step = tile_bytes;
  static constexpr std::int64_t side_step = most * 2 * tile_bytes;
  static constexpr bool between = false;

  static void fill(const product_args& args, std::int64_t n, std::int64_t first, std::int64_t count,
                   std::uint8_t* panel) {
    const std::int64_t k = first * group_weights, left = args.K - k;
    const std::int64_t columns = left < count * group_weights ? left : count * group_weights;
    for (std::int64_t side = 0; side < 2; ++side, n += tile_rows, panel += side_step)
      Panel::fill(args, n < args.N ? n : args.row_begin, k, columns, panel);
  }

  // Columns k .. of token m in the order of the panel, zeros beyond K.
  static void arrange(const product_args& args, std::int64_t m, std::int64_t k,
                      std::int64_t columns, std::uint8_t* to) {
    const Order order(args);
    const std::int64_t end = k + columns < args.K ? k + columns : args.K;
    __builtin_memset(to + (end - k), 0, static_cast<std::size_t>(k + columns - end));
    for (std::int64_t step; k < end; k += step, to += step) {
      step = order.step(k);
      order.put(args.q + m * args.K + k, k, to);
    }
  }

  // A part of the columns of one token, `to` its first line in a tile: the sum of them.
  static std::int32_t pack_token(const std::uint8_t* from, std::int64_t lines, std::uint8_t* to) {
    __m512i sum = _mm512_setzero_si512();
    for (std::int64_t k = 0; k < lines; ++k, from += tile_line, to += 2 * tile_bytes) {
      const __m512i bytes = _mm512_load_si512(from);
      _mm512_store_si512(to, bytes);
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), bytes);
    }
    return _mm512_reduce_add_epi32(sum);
  }

  static void pack(const product_args& args, std::int64_t pair, std::int64_t side) {
    const std::int64_t begin = pair * pair_tokens + side * tile_rows;
    if (begin >= args.M) return;
    alignas(64) std::uint8_t arranged[most * group_weights];
    for (std::int64_t m = 0; m < tile_rows; ++m) {
      std::int32_t& sum = token_sums(args)[begin + m];
      // |sum| <= 128 * K <= 2^29.
      sum = 0;
      for (std::int64_t p = 0; p < parts_of<panel_tiles>(args); ++p) {
        const part_of_columns part = part_at<panel_tiles>(args, p);
        const std::int64_t columns = part.groups * group_weights;
        if (begin + m < args.M) {
          arrange(args, begin + m, part.first * group_weights, columns, arranged);
        } else {
          __builtin_memset(arranged, 0, static_cast<std::size_t>(columns));
        }
        sum += pack_token(arranged, 2 * part.groups,
                          packed_tokens(args, part, pair) + side * tile_bytes + m * tile_line);
      }
    }
  }
};

}  // namespace
}  // namespace bp
