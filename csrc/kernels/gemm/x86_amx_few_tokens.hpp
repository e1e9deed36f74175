// gemm of native_i2_r16 on AMX for at most sixteen tokens, whose time is that of reading the
// weights. For ISA files: everything is in an anonymous namespace.
#pragma once

#include <algorithm>

#include "kernels/gemm/x86_amx_panels.hpp"
#include "kernels/gemv/x86_avx512_lines.hpp"

namespace bp {
namespace {

// Four times sixteen rows side by side, so that tiles of tokens, which the weights push out of the
// nearest cache, come in once for all of them.
constexpr int lanes = 4;
constexpr std::int64_t lane_rows = 16, set_rows = lanes * lane_rows;

// A place in the weights: a group of each of the four times sixteen rows from row n on. Where fewer
// rows exist, the first sixteen stand in place of the others; behind the last rows come the first
// again, which nobody wants.
struct place {
  const product_args* args;
  std::int64_t groups = args->K / group_weights, n = args->row_begin, g = 0;
  const std::uint8_t* w[lanes] = {};

  explicit place(const product_args& product) : args(&product) { find(); }

  void find() {
    for (int lane = 0; lane < lanes; ++lane) {
      const std::int64_t row = n + lane * lane_rows;
      w[lane] = native_i2_r16::group(args->w, args->K, row < args->row_end ? row : n, g);
    }
  }

  void next() {
    if (++g < groups) {
      for (auto& lane : w) lane += lines_of_group;
      return;
    }
    g = 0;
    n = n + set_rows < args->row_end ? n + set_rows : args->row_begin;
    find();
  }

  // From a group to that of the same lane `later` places on.
  std::int64_t to(std::int64_t later) const {
    const std::int64_t others = g + later < groups ? 0 : (lanes - 1) * groups;
    return (later + others) * lines_of_group;
  }
};

// What distances_of() asks for is ahead in one stream; here in four.
inline distances distances_in(const distances& bytes, const place& from) {
  const auto places = [](std::int64_t ahead) {
    return std::max(std::int64_t{1}, ahead / (lanes * lines_of_group));
  };
  return {from.to(places(bytes.far)), from.to(places(bytes.near))};
}

// A group of a lane as two tiles of codes, of 64 columns each.
inline __attribute__((always_inline)) void fill_lane(const std::uint8_t* w, distances asked,
                                                     std::uint8_t* to) {
#pragma GCC unroll 8
  for (int i = 0; i < group_lines; ++i, w += line_bytes, to += tile_line) {
    asked.ask(w);
    const __m512i dwords = load_line(w);
    store_codes<0>(dwords, to);
    store_codes<1>(dwords, to + tile_bytes / 2);
    store_codes<2>(dwords, to + tile_bytes);
    store_codes<3>(dwords, to + tile_bytes + tile_bytes / 2);
  }
}

// Tile `lane` holds sums of 16 tokens and the rows of that lane; a lane is unpacked behind the
// products that read its place in the ring, for those two groups later: stores are done when they
// are read.
constexpr std::int64_t lane_bytes = 2 * tile_bytes, step_bytes = lanes * lane_bytes, ahead = 2;

template <int lane>
inline __attribute__((always_inline)) void multiply_lane(const std::uint8_t* codes) {
  load_tile<6>(codes);
  multiply_tiles<lane, 4, 6>();
  load_tile<7>(codes + tile_bytes);
  multiply_tiles<lane, 5, 7>();
}

struct few_tokens {
  alignas(page) std::uint8_t ring[ahead * step_bytes];
  // Of codes 0, 1, 2: |sum| <= 2 * 128 * K <= 2^30.
  alignas(64) std::int32_t sums[lanes * tile_sums], unused[tile_sums];

  void fill(const place& from, distances asked, std::uint8_t* codes) {
    for (int lane = 0; lane < lanes; ++lane)
      fill_lane(from.w[lane], asked, codes + lane * lane_bytes);
  }

  // The products of a group, and behind them the group at `from` in its place.
  void multiply_and_fill(const std::uint8_t* tokens, const place& from, distances asked,
                         std::uint8_t* codes) {
    load_tile<4>(tokens);
    load_tile<5>(tokens + 2 * tile_bytes);
    multiply_lane<0>(codes);
    fill_lane(from.w[0], asked, codes);
    multiply_lane<1>(codes + lane_bytes);
    fill_lane(from.w[1], asked, codes + lane_bytes);
    multiply_lane<2>(codes + 2 * lane_bytes);
    fill_lane(from.w[2], asked, codes + 2 * lane_bytes);
    multiply_lane<3>(codes + 3 * lane_bytes);
    fill_lane(from.w[3], asked, codes + 3 * lane_bytes);
  }

  // Storing a tile takes 0.3 us where none was stored for 0.6 us, and a step of a group 0.14 us
  // (Xeon, family 6 model 167): one that nobody reads keeps the next from waiting.
  void stay_awake(std::int64_t g) {
    if (g % 3 == 1) store_tile<lanes - 1>(unused);
  }
};

void few_by_tiles(const product_args& args) {
  few_tokens work;
  const distances bytes = distances_of(args);
  const std::uint8_t* tokens = packed_start(args);
  const std::int64_t groups = args.K / group_weights;
  draining drain{&args, 0, 0};
  place from(args);
  take_tiles();
  for (std::int64_t i = 0; i < ahead; ++i, from.next())
    work.fill(from, distances_in(bytes, from), work.ring + i * step_bytes);
  std::int64_t step = 0;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += set_rows) {
    clear_sums<2>();
    for (std::int64_t g = 0; g < groups; ++g, ++step, from.next()) {
      work.multiply_and_fill(tokens + g * pair_bytes, from, distances_in(bytes, from),
                             work.ring + step % ahead * step_bytes);
      work.stay_awake(g);
      drain();
    }
    drain.finish();
    store_sums<2>(work.sums);
    const std::int64_t left = args.row_end - n, rows = left < set_rows ? left : set_rows;
    drain = {&args, n, rows, 0, args.M, work.sums, args.M / groups + 1};
  }
  drain.finish();
  release_tiles();
}

}  // namespace
}  // namespace bp
