// gemm on AMX: 32 rows of weights are unpacked into tiles in the nearest cache, which all tokens
// meet there. A class `Rows` says where the weights stand: one of x86_amx_fill.hpp for layouts of
// our own, which are unpacked between products, or that of x86_amx_lut.hpp. It gives
//   unit, most   a part of the columns is a multiple of `unit` groups of 128, at most `most`
//   line_step    bytes in a panel from 64 columns to the next
//   side_step    bytes from the codes of rows 0 .. 15 to those of rows 16 .. 31
//   between      whether it is unpacked between products (`filling`, `asking`); where it is not,
//     fill(args, n, first, groups, panel)   the codes of rows n .. n + 31
//     pack(args, pair, side)                what pack_tile does
// For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm/x86_amx_fill.hpp"
#include "kernels/gemm/x86_avx512_scales.hpp"

namespace bp {
namespace {

// A tile of tokens is the left operand, row m its 64 activations; a tile of weights the right one.
// Sums then stand as in y: 16 tokens by 16 rows of W.
constexpr std::int64_t pair_rows = 32;      // two tiles of weights
constexpr std::int64_t most_groups = 5;     // 20 KiB of codes: they stay in L1
constexpr std::int64_t block_tokens = 128;  // between two uses of a panel: L2 holds them
constexpr std::int64_t pair_tokens = 2 * tile_rows;
constexpr std::int64_t pair_bytes = pair_tokens * group_weights;  // a group of a pair of tiles
constexpr std::int64_t tile_sums = tile_rows * tile_rows;

inline std::int64_t token_pairs(const product_args& args) {
  return (args.M + pair_tokens - 1) / pair_tokens;
}

// K in groups, the last filled up with zero activations, and in parts of them.
struct part_of_columns {
  std::int64_t first, groups;
};
inline std::int64_t groups_of(const product_args& args) {
  return (args.K + group_weights - 1) / group_weights;
}
template <class Rows>
inline std::int64_t parts_of(const product_args& args) {
  return (groups_of(args) + Rows::most - 1) / Rows::most;
}
template <class Rows>
inline part_of_columns part_at(const product_args& args, std::int64_t p) {
  const std::int64_t groups = groups_of(args), parts = parts_of<Rows>(args);
  const auto begin = [&](std::int64_t i) {
    return i == parts ? groups : (groups + Rows::unit - 1) / Rows::unit * i / parts * Rows::unit;
  };
  return {begin(p), begin(p + 1) - begin(p)};
}

// All memory that threads share: packed tokens from a page on, then the sum of each token.
inline std::uint8_t* packed_start(const product_args& args) {
  return args.shared + (-reinterpret_cast<std::uintptr_t>(args.shared) & (page - 1));
}
inline std::int64_t packed_bytes(const product_args& args) {
  return token_pairs(args) * groups_of(args) * pair_bytes;
}
inline std::int32_t* token_sums(const product_args& args) {
  return reinterpret_cast<std::int32_t*>(packed_start(args) + packed_bytes(args));
}

// Packed tokens in the order of use: [part][pair][columns / 64][2][16 tokens][64].
inline std::uint8_t* packed_tokens(const product_args& args, const part_of_columns& part,
                                   std::int64_t pair) {
  return packed_start(args) + (part.first * token_pairs(args) + pair * part.groups) * pair_bytes;
}

// Tile `side` of a pair and the sums of its tokens; tokens that are not there are zero.
template <class Rows>
inline void pack_tile(const product_args& args, std::int64_t pair, std::int64_t side) {
  const std::int64_t begin = pair * pair_tokens + side * tile_rows, left = args.M - begin;
  if (left <= 0) return;
  const __m512i ones = _mm512_set1_epi8(1);
  // Of all lanes together: |sum| <= 128 * K <= 2^29.
  __m512i sums[tile_rows];
  for (auto& sum : sums) sum = _mm512_setzero_si512();
  for (std::int64_t p = 0; p < parts_of<Rows>(args); ++p) {
    const part_of_columns part = part_at<Rows>(args, p);
    std::uint8_t* to = packed_tokens(args, part, pair) + side * tile_bytes;
    const std::int8_t* from = args.q + begin * args.K + part.first * group_weights;
    for (std::int64_t k = 0; k < 2 * part.groups; ++k, to += 2 * tile_bytes, from += tile_line) {
#pragma GCC unroll 16
      for (std::int64_t m = 0; m < tile_rows; ++m) {
        const __m512i line =
            m < left ? _mm512_loadu_si512(from + m * args.K) : _mm512_setzero_si512();
        _mm512_store_si512(to + m * tile_line, line);
        sums[m] = _mm512_dpbusd_epi32(sums[m], ones, line);
      }
    }
  }
#pragma GCC unroll 16
  for (std::int64_t m = 0; m < tile_rows; ++m)
    token_sums(args)[begin + m] = _mm512_reduce_add_epi32(sums[m]);
}

// Tiles 0 .. 3 hold sums: tokens 0 .. 15 in 0 and 1, tokens 16 .. 31 in 2 and 3, the second half of
// the panel's rows in 1 and 3.
template <int tiles>
inline void clear_sums() {
  zero_tile<0>();
  zero_tile<1>();
  if constexpr (tiles == 2) {
    zero_tile<2>();
    zero_tile<3>();
  }
}

template <int tiles>
inline void load_sums(const std::int32_t* from) {
  load_tile<0>(from);
  load_tile<1>(from + tile_sums);
  if constexpr (tiles == 2) {
    load_tile<2>(from + 2 * tile_sums);
    load_tile<3>(from + 3 * tile_sums);
  }
}

template <int tiles>
inline void store_sums(std::int32_t* to) {
  store_tile<0>(to);
  store_tile<1>(to + tile_sums);
  if constexpr (tiles == 2) {
    store_tile<2>(to + 2 * tile_sums);
    store_tile<3>(to + 3 * tile_sums);
  }
}

// The products of 64 columns; `first` and `second` do what fits between them.
template <class Rows, int tiles, class First, class Second>
inline __attribute__((always_inline)) void multiply_line(const std::uint8_t* tokens,
                                                         const std::uint8_t* panel, First&& first,
                                                         Second&& second) {
  load_tile_once<4>(tokens);
  load_tile<6>(panel);
  multiply_tiles<0, 4, 6>();
  first();
  if constexpr (tiles == 2) {
    load_tile_once<5>(tokens + tile_bytes);
    multiply_tiles<2, 5, 6>();
  }
  load_tile<7>(panel + Rows::side_step);
  if constexpr (tiles == 2) multiply_tiles<3, 5, 7>();
  second();
  multiply_tiles<1, 4, 7>();
}

// The way of the sums of a pair to their results, some tokens at a time: while the next pair is
// multiplied, because what makes floats has ports of its own.
struct draining {
  const product_args* args;
  std::int64_t n, rows;
  std::int64_t m = 0, tokens = 0;  // what is left of the pair
  const std::int32_t* sums = nullptr;
  std::int64_t each = 0;

  void operator()() {
    for (std::int64_t i = 0; i < each && tokens > 0; ++i) drain_token();
  }

  void finish() {
    while (tokens > 0) drain_token();
  }

  void drain_token() {
    store_results(*args, m, n, rows, sums, tile_sums, token_sums(*args)[m]);
    ++m;
    sums += m % tile_rows == 0 ? tile_rows + tile_sums : tile_rows;  // over the second half's tile
    --tokens;
  }
};

// Sums of one or two tiles of tokens over a panel of `groups` groups. A sum of code * q is at most
// 2 * 128 * K in magnitude, which largest_columns keeps inside int32.
template <class Rows, int tiles, class Between>
inline void multiply(const std::uint8_t* tokens, const std::uint8_t* panel, std::int64_t groups,
                     Between& between) {
  for (std::int64_t k = 0; k < 2 * groups; ++k)
    multiply_line<Rows, tiles>(
        tokens + k * 2 * tile_bytes, panel + k * Rows::line_step, [] {}, between);
}

// The same, filling the panel on the way, one group ahead.
template <class Rows, int tiles>
inline void fill_and_multiply(const std::uint8_t* tokens, std::uint8_t* panel, std::int64_t groups,
                              filling<Rows> rows, asking<Rows>& ask) {
  rows.template take<0>();
  rows.template put<0, 0>();
  rows.template put<0, 1>();
  rows.template take<1>();
  rows.template put<1, 0>();
  rows.template put<1, 1>();
  for (; groups > 1; --groups, tokens += pair_bytes, panel += page) {
    rows.to += page;
    multiply_line<Rows, tiles>(
        tokens, panel,
        [&] {
          rows.template take<0>();
          rows.template put<0, 0>();
        },
        [&] {
          rows.template take<1>();
          rows.template put<1, 0>();
          ask();
        });
    multiply_line<Rows, tiles>(
        tokens + 2 * tile_bytes, panel + 2 * tile_bytes, [&] { rows.template put<0, 1>(); },
        [&] {
          rows.template put<1, 1>();
          ask();
        });
  }
  multiply<Rows, tiles>(tokens, panel, 1, ask);
}

struct workspace {
  alignas(page) std::uint8_t panel[most_groups * page];
  // Of codes 0, 1, 2: |sum| <= 2 * 128 * K <= 2^30.
  alignas(64) std::int32_t sums[block_tokens * pair_rows];
};

// A part of the columns of one panel.
struct part_of_panel {
  std::int64_t n;
  part_of_columns columns;
  bool first, last;
};

// What follows a part is asked for during its products with `pairs` pairs of tiles of tokens.
struct nothing_asked {
  void operator()() {}
};
template <class Rows>
inline auto ask_behind(const product_args& args, const part_of_panel& part, std::int64_t pairs) {
  if constexpr (!Rows::between) {
    return nothing_asked{};
  } else {
    const auto [first, groups] = part.columns;
    const std::int64_t to_next_panel = pair_rows / 4 * args.K - first * Rows::group_bytes;
    constexpr std::int64_t lines = 2 * Rows::streams * Rows::group_bytes / tile_line;  // of a group
    return asking<Rows>{{Rows::at(args, part.n, first), Rows::at(args, part.n + tile_rows, first)},
                        part.last ? to_next_panel : groups * Rows::group_bytes,
                        (lines + 2 * pairs - 1) / (2 * pairs)};
  }
}

// Adds the products of a pair of tiles of tokens (the first tile alone where tiles is 1) to `sums`.
template <class Rows, int tiles, bool fill, class Ask>
void add_part(const product_args& args, const part_of_panel& part, std::int64_t pair,
              workspace& work, std::int32_t* sums, draining& drain, Ask& ask) {
  const std::int64_t groups = part.columns.groups;
  const std::uint8_t* packed = packed_tokens(args, part.columns, pair);
  part.first ? clear_sums<tiles>() : load_sums<tiles>(sums);
  if constexpr (fill && Rows::between) {
    fill_and_multiply<Rows, tiles>(packed, work.panel, groups,
                                   {{ask.rows[0], ask.rows[1]}, work.panel, {}}, ask);
  } else {
    if constexpr (fill) Rows::fill(args, part.n, part.columns.first, groups, work.panel);
    drain.each = pair_tokens / groups / 2 + 1;
    auto beside = [&] {
      drain();
      ask();
    };
    multiply<Rows, tiles>(packed, work.panel, groups, beside);
  }
  drain.finish();
  store_sums<tiles>(sums);
}

// Rows n .. n + 31 against pairs begin .. end of tiles of tokens.
template <class Rows>
void panel_by_tokens(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t end,
                     workspace& work) {
  const std::int64_t parts = parts_of<Rows>(args);
  const std::int64_t rows = args.row_end - n < pair_rows ? args.row_end - n : pair_rows;
  draining drain{&args, n, rows};
  for (std::int64_t p = 0; p < parts; ++p) {
    const part_of_panel part{n, part_at<Rows>(args, p), p == 0, p == parts - 1};
    std::int32_t* sums = work.sums;
    auto ask = ask_behind<Rows>(args, part, end - begin);
    for (std::int64_t i = begin; i < end; ++i, sums += pair_tokens * pair_rows) {
      const std::int64_t m = i * pair_tokens, left = args.M - m;
      const std::int64_t tokens = left < pair_tokens ? left : pair_tokens;
      const bool pair = left > tile_rows;
      using Ask = decltype(ask);
      const auto add = i == begin
                           ? (pair ? add_part<Rows, 2, true, Ask> : add_part<Rows, 1, true, Ask>)
                           : (pair ? add_part<Rows, 2, false, Ask> : add_part<Rows, 1, false, Ask>);
      add(args, part, i, work, sums, drain, ask);
      if (part.last) {
        drain.m = m;
        drain.tokens = tokens;
        drain.sums = sums;
      }
    }
  }
  drain.finish();
}

template <class Rows>
void rows_by_tokens(const product_args& args) {
  workspace work;
  const std::int64_t all = token_pairs(args), block = block_tokens / pair_tokens;
  take_tiles();
  for (std::int64_t i = 0; i < all; i += block) {
    const std::int64_t end = i + block < all ? i + block : all;
    for (std::int64_t n = args.row_begin; n < args.row_end; n += pair_rows)
      panel_by_tokens<Rows>(args, n, i, end, work);
  }
  release_tiles();
}

// All steps of a product whose blocks have no scales.
template <class Rows>
void by_tiles(const product_args& args) {
  switch (args.step) {
    case product_step::plan:
      *args.needs = {
          pair_rows,
          page + static_cast<std::size_t>(packed_bytes(args)) +
              sizeof(std::int32_t) * static_cast<std::size_t>(token_pairs(args) * pair_tokens),
          2 * token_pairs(args), false, true};
      break;
    case product_step::prepare:
      for (std::int64_t i = args.part_begin; i < args.part_end; ++i) {
        if constexpr (Rows::between)
          pack_tile<Rows>(args, i / 2, i % 2);
        else
          Rows::pack(args, i / 2, i % 2);
      }
      break;
    case product_step::rows:
      rows_by_tokens<Rows>(args);
      break;
  }
}

}  // namespace
}  // namespace bp
