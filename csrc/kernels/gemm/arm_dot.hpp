// gemm on ARM by the sums of arm_dot.hpp. Few tokens: one row by four tokens, straight from the
// packed bytes. More: panels [columns / 4][16 rows][4 codes] in L1.
#pragma once

#include "kernels/gemm/panels.hpp"
#include "kernels/gemm/tiles.hpp"
#include "kernels/gemv/arm_dot.hpp"

namespace bp {
namespace {

// Counted, not measured: from four tokens on, unpacking a panel takes fewer instructions than what
// it saves; it is also written and read back.
constexpr std::int64_t tokens_for_panels = 8;

// Four dwords of four rows to columns: v[j] becomes dword j of rows 0 .. 3.
//   transpose dwords   a0 b0 a2 b2 | a1 b1 a3 b3
//   transpose qwords   a0 b0 c0 d0
inline void transpose(uint8x16_t (&v)[4]) {
  uint32x4_t d[4];
  for (int i = 0; i < 4; ++i) d[i] = vreinterpretq_u32_u8(v[i]);
  const uint64x2_t ab[2] = {vreinterpretq_u64_u32(vtrn1q_u32(d[0], d[1])),
                            vreinterpretq_u64_u32(vtrn2q_u32(d[0], d[1]))};
  const uint64x2_t cd[2] = {vreinterpretq_u64_u32(vtrn1q_u32(d[2], d[3])),
                            vreinterpretq_u64_u32(vtrn2q_u32(d[2], d[3]))};
  for (int i = 0; i < 2; ++i) {
    v[i] = vreinterpretq_u8_u64(vtrn1q_u64(ab[i], cd[i]));
    v[i + 2] = vreinterpretq_u8_u64(vtrn2q_u64(ab[i], cd[i]));
  }
}

// The codes of weights 32 s + p in byte p.
template <class Format, int s>
inline uint8x16_t plain_codes(uint8x16_t bytes) {
  constexpr int shift = Format::shift(s);
  if constexpr (shift == 6) return vshrq_n_u8(bytes, 6);
  const uint8x16_t low = shift == 0 ? bytes : vshrq_n_u8(bytes, shift == 0 ? 8 : shift);
  return vandq_u8(low, vdupq_n_u8(3));
}

// Group g of row n; rows past N repeat the last one (their sums are dropped).
template <class Format>
inline const std::uint8_t* row_at(const product_args& args, std::int64_t n, std::int64_t g) {
  return Format::group(args.w, args.K, n < args.N ? n : args.N - 1, g);
}

// Four vectors of codes for 16 bytes, those of weights 32 s + p at to + 512 s: a quarter of a group
// of a panel.
template <class Format>
inline void store_codes(std::uint8_t* to, uint8x16_t bytes) {
  vst1q_u8(to, plain_codes<Format, 0>(bytes));
  vst1q_u8(to + 512, plain_codes<Format, 1>(bytes));
  vst1q_u8(to + 1024, plain_codes<Format, 2>(bytes));
  vst1q_u8(to + 1536, plain_codes<Format, 3>(bytes));
}

// Packed bytes are transposed before they are unpacked: a quarter of the shuffles.
template <class Format>
struct two_bit_panel {
  static constexpr std::int64_t width = panel_columns;

  static void fill(const product_args& args, std::int64_t n, std::int64_t k, std::int64_t columns,
                   std::uint8_t* panel) {
    const std::int64_t first = k / group_weights, end = (k + columns) / group_weights;
    for (int r = 0; r < panel_rows; r += 4) {
      std::uint8_t* to = panel + 4 * r;
      const std::uint8_t* w[4];
      for (int j = 0; j < 4; ++j) w[j] = row_at<Format>(args, n + r + j, first);
      for (std::int64_t g = first; g < end; ++g, to += group_weights * panel_rows) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          uint8x16_t v[4] = {load(w[0] + 16 * half), load(w[1] + 16 * half), load(w[2] + 16 * half),
                             load(w[3] + 16 * half)};
          transpose(v);
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) store_codes<Format>(to + (4 * half + j) * 64, v[j]);
        }
        for (auto& at : w) at += Format::step(g);
      }
    }
    fetch_next_panel<Format>(args, n, k + columns);
  }
};

// The sums of a token over a panel: of[i] is rows 4 i .. 4 i + 3. A panel has at most 128 quads of
// columns, and a quad adds one product of at most 2 * 128 in magnitude to a lane of int16: -32768
// at the lowest and 32512 at the highest.
struct panel_sums {
  static_assert(panel_columns / 4 * 2 * 128 <= 32768);
  partial of[4];
};

#if defined(__ARM_FEATURE_DOTPROD)
constexpr std::int64_t most_tokens = 4;  // of a tile: 16 sums, of 32 registers
#else
constexpr std::int64_t most_tokens = 2;  // 16 sums
#endif

// Four columns of 16 rows against the activations 4 j .. 4 j + 3 of each token.
template <int j, int T, int... t>
inline __attribute__((always_inline)) void add_columns(numbers<t...>, panel_sums (&sums)[T],
                                                       const std::uint8_t* panel,
                                                       const int8x16_t (&x)[T]) {
  const uint8x16_t w[4] = {load(panel + 64 * j), load(panel + 64 * j + 16),
                           load(panel + 64 * j + 32), load(panel + 64 * j + 48)};
  (add_quad<j>(sums[t].of[0], w[0], x[t]), ...);
  (add_quad<j>(sums[t].of[1], w[1], x[t]), ...);
  (add_quad<j>(sums[t].of[2], w[2], x[t]), ...);
  (add_quad<j>(sums[t].of[3], w[3], x[t]), ...);
  load_no_further();
}

inline int8x16_t load_quad(const std::int8_t* q) {
  std::int32_t four;
  __builtin_memcpy(&four, q, sizeof four);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

inline void add_to(std::int32_t* y, const panel_sums& sums) {
  for (int i = 0; i < 4; ++i, y += 4) vst1q_s32(y, vaddq_s32(vld1q_s32(y), by_quads(sums.of[i])));
}

template <int T, int... t>
inline __attribute__((always_inline)) void add_panel(numbers<t...> all, const std::uint8_t* panel,
                                                     const std::int8_t* q, std::int64_t stride,
                                                     std::int64_t columns, std::int32_t* to) {
  panel_sums sums[T];
  for (; columns >= 16; columns -= 16, panel += 256, q += 16) {
    const int8x16_t x[T] = {load(q + t * stride)...};
    add_columns<0, T>(all, sums, panel, x);
    add_columns<1, T>(all, sums, panel, x);
    add_columns<2, T>(all, sums, panel, x);
    add_columns<3, T>(all, sums, panel, x);
  }
  for (; columns > 0; columns -= 4, panel += 64, q += 4) {
    const int8x16_t x[T] = {load_quad(q + t * stride)...};
    add_columns<0, T>(all, sums, panel, x);
  }
  (add_to(to + t * panel_rows, sums[t]), ...);
}

template <int T>
void panel_by_tokens(const std::uint8_t* panel, const std::int8_t* q, std::int64_t stride,
                     std::int64_t columns, std::int32_t* sums) {
  add_panel<T>(typename numbers_below<T>::type{}, panel, q, stride, columns, sums);
}

struct quad_products {
  static void add(const product_args& args, const std::uint8_t* panel, std::int64_t k,
                  std::int64_t columns, std::int64_t m_begin, std::int64_t tokens,
                  std::int32_t* sums) {
    for (std::int64_t i = 0; i < tiles_of(tokens, most_tokens); ++i) {
      const tile part = tile_at(tokens, most_tokens, i);
      const std::int8_t* q = args.q + (m_begin + part.m) * args.K + k;
      std::int32_t* to = sums + part.m * panel_rows;
      if (part.tokens == 1) panel_by_tokens<1>(panel, q, args.K, columns, to);
      if (part.tokens == 2) panel_by_tokens<2>(panel, q, args.K, columns, to);
      if constexpr (most_tokens > 2) {
        if (part.tokens == 3) panel_by_tokens<3>(panel, q, args.K, columns, to);
        if (part.tokens == 4) panel_by_tokens<4>(panel, q, args.K, columns, to);
      }
    }
  }
};

// Eight rows at a time, so that four tokens stay in L1 while the rows pass.
template <class Format>
inline void row_by_row(const product_args& args) {
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 8) {
    const std::int64_t end = n + 8 < args.row_end ? n + 8 : args.row_end;
    std::int64_t m = 0;
    for (; m + 4 <= args.M; m += 4)
      for (std::int64_t r = n; r < end; ++r) row_by_tokens<Format, 4>(args, r, m);
    for (; m < args.M; ++m)
      for (std::int64_t r = n; r < end; ++r) row_by_tokens<Format, 1>(args, r, m);
  }
}

template <class Panel>
inline void by_panels(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = panel_rows;
  if (args.step == product_step::rows) gemm_by_panels<Panel, quad_products>(args);
}

template <class Format>
inline void gemm_two_bit(const product_args& args) {
  args.M < tokens_for_panels ? row_by_row<Format>(args) : by_panels<two_bit_panel<Format>>(args);
}

}  // namespace
}  // namespace bp
