// gemm by panels: codes of 16 rows and some columns are unpacked into L1, which all tokens read.
// For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/gemm/gemm.hpp"
#include "kernels/two_bit.hpp"

namespace bp {
namespace {

constexpr std::int64_t panel_rows = 16, panel_columns = 512;
constexpr std::int64_t token_block = 256;  // even; activations of a panel's columns stay in L2

// Asks for the packed bytes of the panel that follows columns [.., k) of rows n .. n + 15, while
// these are used: 16 rows are more streams than the hardware prefetcher follows. A line of 64 bytes
// holds two groups of a row, or of two rows.
template <class Format>
inline void fetch_next_panel(const product_args& args, std::int64_t n, std::int64_t k) {
  const bool last = k >= args.K;
  const std::int64_t first = last ? n + panel_rows : n, g = last ? 0 : k / group_weights;
  constexpr bool interleaved = Format::step(0) > 64;
  for (int r = 0; r < panel_rows && first + r < args.N; r += interleaved ? 2 : 1) {
    for (int i = 0; i < panel_columns / group_weights; i += interleaved ? 1 : 2)
      __builtin_prefetch(Format::group(args.w, args.K, first + r, g + i));
  }
}

// A class `Panel` gives fill(args, n, k, columns, panel): the codes of rows n .. n + 15 and of the
// given columns (a multiple of 4; k is a multiple of Panel::width, which is at most panel_columns).
// A class `Products` gives add(args, panel, k, columns, m, tokens, sums): sum(code * q) of these
// rows and columns and the tokens from m on, added to sums [tokens][16], which have room for an
// even number of tokens.
template <class Panel, class Products>
inline void sixteen_rows(const product_args& args, std::int64_t n, std::int64_t m_begin,
                         std::int64_t tokens) {
  alignas(64) std::uint8_t panel[panel_rows * panel_columns];
  // Of codes 0, 1, 2: |sum| <= 2 * 128 * K <= 2^30 (largest_columns).
  alignas(64) std::int32_t sums[token_block * panel_rows];
  __builtin_memset(sums, 0,
                   static_cast<std::size_t>((tokens + 1) / 2 * 2 * panel_rows) * sizeof sums[0]);
  for (std::int64_t k = 0; k < args.K; k += Panel::width) {
    const std::int64_t left = args.K - k, columns = left < Panel::width ? left : Panel::width;
    Panel::fill(args, n, k, columns, panel);
    Products::add(args, panel, k, columns, m_begin, tokens, sums);
  }
  const std::int64_t rows = args.row_end - n < panel_rows ? args.row_end - n : panel_rows;
  for (std::int64_t m = 0; m < tokens; ++m) {
    const std::int32_t q_sum = args.q_sum[m_begin + m];
    std::int32_t* y = args.y + (m_begin + m) * args.N + n;
    for (std::int64_t r = 0; r < rows; ++r) y[r] = sums[m * panel_rows + r] - q_sum;
  }
}

template <class Panel, class Products>
inline void gemm_by_panels(const product_args& args) {
  for (std::int64_t m = 0; m < args.M; m += token_block) {
    const std::int64_t tokens = args.M - m < token_block ? args.M - m : token_block;
    for (std::int64_t n = args.row_begin; n < args.row_end; n += panel_rows)
      sixteen_rows<Panel, Products>(args, n, m, tokens);
  }
}

constexpr std::int64_t longest_step = 24;

// The order of activations in a panel, from column k on: put() writes the next step() of them.
struct order_as_they_are {
  explicit order_as_they_are(const product_args&) {}
  static std::int64_t step(std::int64_t) { return 4; }
  static void put(const std::int8_t* q, std::int64_t, std::uint8_t* to) {
    __builtin_memcpy(to, q, 4);
  }
};

}  // namespace
}  // namespace bp
