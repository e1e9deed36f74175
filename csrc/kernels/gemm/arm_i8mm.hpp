// gemm by smmla: two rows by eight columns against two tokens, sums of the four products. |sum| is
// at most 2 * 128 * K, which largest_columns keeps inside int32. Panels are
// [columns / 8][8 pairs of rows][2 rows][8 codes], columns padded to a multiple of eight.
#pragma once

#include "kernels/gemm/arm_dot.hpp"

namespace bp {
namespace {

constexpr int row_pairs = panel_rows / 2;

template <class Format>
struct two_bit_pairs {
  static constexpr std::int64_t width = panel_columns;

  static void fill(const product_args& args, std::int64_t n, std::int64_t k, std::int64_t columns,
                   std::uint8_t* panel) {
    const std::int64_t first = k / group_weights, end = (k + columns) / group_weights;
    for (int r = 0; r < panel_rows; r += 2) {
      std::uint8_t* to = panel + 8 * r;
      const std::uint8_t *w0 = row_at<Format>(args, n + r, first),
                         *w1 = row_at<Format>(args, n + r + 1, first);
      for (std::int64_t g = first; g < end; ++g, to += group_weights * panel_rows) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          // a0 a1, b0 b1 (eight bytes each)      a0 b0, a1 b1
          const uint64x2_t a = vreinterpretq_u64_u8(load(w0 + 16 * half));
          const uint64x2_t b = vreinterpretq_u64_u8(load(w1 + 16 * half));
          store_codes<Format>(to + 256 * half, vreinterpretq_u8_u64(vzip1q_u64(a, b)));
          store_codes<Format>(to + 256 * half + 128, vreinterpretq_u8_u64(vzip2q_u64(a, b)));
        }
        w0 += Format::step(g);
        w1 += Format::step(g);
      }
    }
    fetch_next_panel<Format>(args, n, k + columns);
  }
};

// The panel of arm_dot.hpp, rearranged: of two quads of columns x and y of four rows
//   zip dwords   x0 y0 x1 y1 | x2 y2 x3 y3
template <class Panel>
struct pairs_of {
  static constexpr std::int64_t width = Panel::width;
  static_assert(width % 8 == 0);

  static void fill(const product_args& args, std::int64_t n, std::int64_t k, std::int64_t columns,
                   std::uint8_t* panel) {
    Panel::fill(args, n, k, columns, panel);
    if (columns % 8 != 0) __builtin_memset(panel + columns * panel_rows, 0, 64);
    for (std::int64_t c = 0; c < columns; c += 8, panel += 128) {
      uint32x4_t x[4], y[4];
      for (int i = 0; i < 4; ++i) {
        x[i] = vreinterpretq_u32_u8(load(panel + 16 * i));
        y[i] = vreinterpretq_u32_u8(load(panel + 64 + 16 * i));
      }
      for (int i = 0; i < 4; ++i) {
        vst1q_u8(panel + 32 * i, vreinterpretq_u8_u32(vzip1q_u32(x[i], y[i])));
        vst1q_u8(panel + 32 * i + 16, vreinterpretq_u8_u32(vzip2q_u32(x[i], y[i])));
      }
    }
  }
};

// Shared memory: [pairs of tokens][columns / 8][2 tokens][8], zero beyond K and past the last one.
inline std::int64_t pair_bytes(const product_args& args) {
  return 2 * ((args.K + 7) / 8 * 8);
}

inline int8x8_t eight_of(const product_args& args, std::int64_t m, std::int64_t k) {
  const std::int8_t* from = args.q + m * args.K + k;
  if (m < args.M && k + 8 <= args.K) return vld1_s8(from);
  std::int8_t four[8] = {};
  if (m < args.M) __builtin_memcpy(four, from, 4);  // K is a multiple of four
  return vld1_s8(four);
}

inline void pack_pair(const product_args& args, std::int64_t pair) {
  auto* to = reinterpret_cast<std::int8_t*>(args.shared) + pair * pair_bytes(args);
  for (std::int64_t k = 0; k < args.K; k += 8, to += 16)
    vst1q_s8(to, vcombine_s8(eight_of(args, 2 * pair, k), eight_of(args, 2 * pair + 1, k)));
}

// Sums of a pair of tokens: of[i] = rows 2 i, 2 i + 1 of the first, then of the second token.
struct pair_sums {
  int32x4_t of[row_pairs];
};

// A product of int8 matrices is 2 x 2: { token 0 x row 0, row 1 | token 1 x row 0, row 1 }; in
// memory tokens lie apart. |sum| <= 2 * 128 * K <= 2^30.
template <int... i>
inline __attribute__((always_inline)) pair_sums load_sums(numbers<i...>, const std::int32_t* from) {
  return {{vcombine_s32(vld1_s32(from + 2 * i), vld1_s32(from + panel_rows + 2 * i))...}};
}

template <int... i>
inline __attribute__((always_inline)) void store_sums(numbers<i...>, std::int32_t* to,
                                                      const pair_sums& sums) {
  (vst1_s32(to + 2 * i, vget_low_s32(sums.of[i])), ...);
  (vst1_s32(to + panel_rows + 2 * i, vget_high_s32(sums.of[i])), ...);
}

// Four rows of eight columns against the same of each pair of tokens.
template <int i, int P, int... p>
inline __attribute__((always_inline)) void add_rows(numbers<p...>, pair_sums (&sums)[P],
                                                    const std::uint8_t* panel,
                                                    const int8x16_t (&x)[P]) {
  const int8x16_t w0 = vreinterpretq_s8_u8(load(panel + 16 * i));
  const int8x16_t w1 = vreinterpretq_s8_u8(load(panel + 16 * i + 16));
  ((sums[p].of[i] = vmmlaq_s32(sums[p].of[i], x[p], w0)), ...);
  ((sums[p].of[i + 1] = vmmlaq_s32(sums[p].of[i + 1], x[p], w1)), ...);
  load_no_further();
}

template <int P, int... p, int... i>
inline __attribute__((always_inline)) void add_pairs(numbers<p...> pairs, numbers<i...> rows,
                                                     const std::uint8_t* panel,
                                                     const std::int8_t* q, std::int64_t stride,
                                                     std::int64_t columns, std::int32_t* to) {
  pair_sums sums[P] = {load_sums(rows, to + 2 * p * panel_rows)...};
  for (; columns > 0; columns -= 8, panel += 128, q += 16) {
    const int8x16_t x[P] = {load(q + p * stride)...};
    add_rows<0, P>(pairs, sums, panel, x);
    add_rows<2, P>(pairs, sums, panel, x);
    add_rows<4, P>(pairs, sums, panel, x);
    add_rows<6, P>(pairs, sums, panel, x);
  }
  (store_sums(rows, to + 2 * p * panel_rows, sums[p]), ...);
}

template <int P>
void panel_by_pairs(const std::uint8_t* panel, const std::int8_t* q, std::int64_t stride,
                    std::int64_t columns, std::int32_t* sums) {
  add_pairs<P>(typename numbers_below<P>::type{}, typename numbers_below<row_pairs>::type{}, panel,
               q, stride, columns, sums);
}

struct pair_products {
  static constexpr std::int64_t most = 3;  // pairs of tokens: 24 sums, of 32 registers

  static void add(const product_args& args, const std::uint8_t* panel, std::int64_t k,
                  std::int64_t columns, std::int64_t m_begin, std::int64_t tokens,
                  std::int32_t* sums) {
    const std::int64_t stride = pair_bytes(args), pairs = (tokens + 1) / 2;
    const auto* all = reinterpret_cast<const std::int8_t*>(args.shared) + m_begin / 2 * stride;
    for (std::int64_t i = 0; i < tiles_of(pairs, most); ++i) {
      const tile part = tile_at(pairs, most, i);
      const std::int8_t* q = all + part.m * stride + 2 * k;
      std::int32_t* to = sums + part.m * 2 * panel_rows;
      if (part.tokens == 1) panel_by_pairs<1>(panel, q, stride, columns, to);
      if (part.tokens == 2) panel_by_pairs<2>(panel, q, stride, columns, to);
      if (part.tokens == 3) panel_by_pairs<3>(panel, q, stride, columns, to);
    }
  }
};

template <class Panel>
inline void by_pair_panels(const product_args& args) {
  static_assert(token_block % 2 == 0 && Panel::width % 8 == 0);
  const std::int64_t pairs = (args.M + 1) / 2;
  switch (args.step) {
    case product_step::plan:
      *args.needs = {panel_rows, static_cast<std::size_t>(pairs * pair_bytes(args)), pairs};
      break;
    case product_step::prepare:
      for (std::int64_t i = args.part_begin; i < args.part_end; ++i) pack_pair(args, i);
      break;
    case product_step::rows:
      gemm_by_panels<Panel, pair_products>(args);
      break;
  }
}

template <class Format>
inline void gemm_two_bit_pairs(const product_args& args) {
  args.M < tokens_for_panels ? row_by_row<Format>(args)
                             : by_pair_panels<two_bit_pairs<Format>>(args);
}

}  // namespace
}  // namespace bp
