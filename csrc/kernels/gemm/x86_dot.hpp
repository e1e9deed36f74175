// gemm by vpdpbusd from the panels of x86_avx2.hpp and x86_avx2_lut.hpp. A class `Packed` says how
// many tokens a tile of them has at most and whether it makes float results itself, and multiplies
// all rows with the tiles.
#pragma once

#include "kernels/gemm/tiles.hpp"
#include "kernels/gemm/x86_avx2_lut.hpp"
#include "kernels/gemv/x86_dot.hpp"

namespace bp {
namespace {

// A tile of activations as [K / 4][tokens] dwords, from byte m * K of the shared memory on.
template <class Order>
inline void pack_columns(const product_args& args, std::int64_t m, std::int64_t tokens) {
  const Order order(args);
  std::uint8_t* to = args.shared + m * args.K;
  const std::int8_t* from = args.q + m * args.K;
  for (std::int64_t k = 0, step; k < args.K; k += step, to += step * tokens) {
    step = order.step(k);
    for (std::int64_t t = 0; t < tokens; ++t) {
      std::uint8_t dwords[longest_step];
      order.put(from + t * args.K + k, k, dwords);
      for (std::int64_t i = 0; i < step; i += 4)
        __builtin_memcpy(to + i * tokens + 4 * t, dwords + i, 4);
    }
  }
}

// Every token is in one tile of its block of tokens.
template <class Packed, class Panel, class Order = order_as_they_are>
inline void by_panels_dot(const product_args& args) {
  constexpr std::int64_t in_block = (token_block + Packed::most - 1) / Packed::most;
  switch (args.step) {
    case product_step::plan:
      *args.needs = {panel_rows, static_cast<std::size_t>(args.M * args.K),
                     args.M / token_block * in_block + tiles_of(args.M % token_block, Packed::most),
                     true, Packed::floats};
      break;
    case product_step::prepare:
      for (std::int64_t i = args.part_begin; i < args.part_end; ++i) {
        const std::int64_t m = i / in_block * token_block;
        const std::int64_t tokens = args.M - m < token_block ? args.M - m : token_block;
        const tile part = tile_at(tokens, Packed::most, i % in_block);
        pack_columns<Order>(args, m + part.m, part.tokens);
      }
      break;
    case product_step::rows:
      Packed::template rows<Panel>(args);
      break;
  }
}

// Eight rows at a time, so that four tokens stay in L1 while the rows pass.
template <class Format>
inline void row_by_row_dot(const product_args& args) {
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 8) {
    const std::int64_t end = n + 8 < args.row_end ? n + 8 : args.row_end;
    std::int64_t m = 0;
    for (; m + 4 <= args.M; m += 4)
      for (std::int64_t r = n; r < end; ++r) row_by_tokens_dot<Format, 4>(args, r, m);
    for (; m < args.M; ++m)
      for (std::int64_t r = n; r < end; ++r) row_by_tokens_dot<Format, 1>(args, r, m);
  }
}

template <class Packed, class Format>
inline void gemm_two_bit_dot(const product_args& args) {
  if (args.M < args.tuned.panel_tokens) {
    row_by_row_dot<Format>(args);
  } else {
    by_panels_dot<Packed, two_bit_panel<Format>>(args);
  }
}

}  // namespace
}  // namespace bp
