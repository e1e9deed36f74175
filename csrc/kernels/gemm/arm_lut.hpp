// gemv and gemm of tl1, tl2 and tq1_0 on ARM: panels of codes for arm_dot.hpp and arm_i8mm.hpp. For
// tl1 and tl2 they serve one token too: 16 rows stand side by side in memory.
#pragma once

#include "kernels/gemm/arm_dot.hpp"
#include "kernels/gemm/tl_panels.hpp"
#include "kernels/gemv/arm_tq1_0.hpp"

namespace bp {
namespace {

// A table of tl.hpp, and its weights as codes.
inline uint8x16_t weights_of(const std::int8_t* table) {
  return vreinterpretq_u8_s8(vld1q_s8(table));
}

inline uint8x16_t codes_of(const std::int8_t* table) {
  return vaddq_u8(weights_of(table), vdupq_n_u8(1));
}

inline uint8x16_t high_nibbles(uint8x16_t bytes) {
  return vshrq_n_u8(bytes, 4);
}

inline uint8x16_t low_nibbles(uint8x16_t bytes) {
  return vandq_u8(bytes, vdupq_n_u8(15));
}

// 16 bytes of two pair indices each: four columns, stored row by row.
inline void store_pairs(std::uint8_t* panel, uint8x16_t bytes) {
  const uint8x16_t first = codes_of(tl_pair[0]), second = codes_of(tl_pair[1]);
  const uint8x16_t high = high_nibbles(bytes), low = low_nibbles(bytes);
  vst4q_u8(panel, uint8x16x4_t{{vqtbl1q_u8(first, high), vqtbl1q_u8(second, high),
                                vqtbl1q_u8(first, low), vqtbl1q_u8(second, low)}});
}

// Rows n .. n + 15 of a vector of 32 rows: 0-15 at bytes 0-7 and 16-23, 16-31 at 8-15 and 24-31.
inline uint8x16_t sixteen(const std::uint8_t* w, std::int64_t n) {
  const std::uint8_t* at = w + n % 32 / 2;
  return vcombine_u8(vld1_u8(at), vld1_u8(at + 16));
}

// All ones where bit `bit` of a row's sign lane is set.
inline uint8x16_t minus_of(uint8x16_t low, uint8x16_t high, int bit) {
  const uint16x8_t mask = vdupq_n_u16(static_cast<std::uint16_t>(1 << bit));
  return vcombine_u8(vmovn_u16(vtstq_u16(vreinterpretq_u16_u8(low), mask)),
                     vmovn_u16(vtstq_u16(vreinterpretq_u16_u8(high), mask)));
}

// 24 columns of 16 rows: eight triples. The lane of rows r, r + 16 has the sign of triple t at bits
// 15 - 2 t and 14 - 2 t. The code of a weight is weight + 1, and of a negated one 1 - weight, its
// flipped bits + 2.
inline void store_triples(std::uint8_t* panel, const std::uint8_t* w, const std::uint8_t* signs,
                          std::int64_t n) {
  const uint8x16_t first = load(signs), second = load(signs + 16);
  const int top = n % 32 == 0 ? 15 : 14;
  uint8x16_t column[24];
  for (int t = 0; t < 8; ++t) {
    const uint8x16_t bytes = sixteen(w + t / 2 * 32, n);
    const uint8x16_t index = t % 2 == 0 ? high_nibbles(bytes) : low_nibbles(bytes);
    const uint8x16_t minus = minus_of(first, second, top - 2 * t);
    const uint8x16_t one_or_two = vsubq_u8(vdupq_n_u8(1), minus);
    for (int i = 0; i < 3; ++i) {
      const uint8x16_t weights = vqtbl1q_u8(weights_of(tl_triple[i]), index);
      column[3 * t + i] = vaddq_u8(veorq_u8(weights, minus), one_or_two);
    }
  }
  for (int c = 0; c < 24; c += 4, panel += 4 * panel_rows)
    vst4q_u8(panel, uint8x16x4_t{{column[c], column[c + 1], column[c + 2], column[c + 3]}});
}

// What tl_panels.hpp asks for.
struct tl_codes {
  static void pairs(std::uint8_t* panel, const std::uint8_t* w) { store_pairs(panel, load(w)); }
  static void pairs(std::uint8_t* panel, const std::uint8_t* w, std::int64_t n) {
    store_pairs(panel, sixteen(w, n));
  }
  static void triples(std::uint8_t* panel, const std::uint8_t* w, const std::uint8_t* signs,
                      std::int64_t n) {
    store_triples(panel, w, signs, n);
  }
};

using tl1_panel = tl1_columns<tl_codes>;
using tl2_panel = tl2_columns<tl_codes>;

struct tq1_0_panel {
  static constexpr std::int64_t width = 512;

  static void fill(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t count,
                   std::uint8_t* panel) {
    const std::int64_t blocks = args.K / tq1_0::block_weights;
    for (std::int64_t k = begin; k < begin + count; k += 256, panel += 256 * panel_rows) {
      for (int r = 0; r < panel_rows; r += 4) {
        uint8x16_t codes[16][4];
        for (int j = 0; j < 4; ++j) {
          const std::int64_t row = n + r + j < args.N ? n + r + j : args.N - 1;
          const std::uint8_t* w = args.w + (row * blocks + k / 256) * tq1_0::block_bytes;
          block_weights_of(w,
                           [&](int i, uint8x16_t v) { codes[i][j] = vaddq_u8(v, vdupq_n_u8(1)); });
        }
        for (int i = 0; i < 16; ++i) {
          transpose(codes[i]);
          for (int j = 0; j < 4; ++j) vst1q_u8(panel + (4 * i + j) * 64 + 4 * r, codes[i][j]);
        }
      }
    }
  }
};

inline bool tq1_0_needs_rows(const product_args& args) {
  return args.block_scales || args.M < tokens_for_panels;
}

}  // namespace
}  // namespace bp
