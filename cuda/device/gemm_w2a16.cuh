// Ternary weights times 16-bit activations: weights are A of mma.m16n8k16 (16 rows), tokens B (8).
//
// A word of frag16x32 makes A of two products, of 16 columns each. Of half h, lane 4 g + t has
// columns 16 h + 4 t ... 4 t + 3, so the product's columns stand for these:
//
//   of the product  0 1  2 3  4 5  6  7    8 9  10 11  12 13  14 15
//   of the half     0 1  4 5  8 9  12 13   2 3  6  7   10 11  14 15
#pragma once

#include "device/gemm_w2a8.cuh"
#include "device/panel.cuh"
#include "device/result.cuh"

// How codes become numbers: c at bit p of 2^mantissa is 2^mantissa + c 2^p; times 2^-p, minus
// 2^(mantissa - p) + 1 that is c - 1. Codes at bits 0, 2 ... below `mantissa` need no shift.
template <class H>
struct expansion {
  static constexpr int mantissa = 10, bias = 15;
};
template <>
struct expansion<bfloat16> {
  static constexpr int mantissa = 7, bias = 127;
};

BP_DEVICE constexpr u32 twice(u32 bits) {
  return bits << 16 | bits;
}

// The registers of A of one half, w = -1, 0, 1: one and-or and one multiply-add for two numbers.
template <class H, int half>
BP_DEVICE void expand(u32 word, u32 (&a)[4]) {
  using E = expansion<H>;
  constexpr int at_once = E::mantissa / 2;
  // Bytes 0, 2, 1, 3: the codes of columns b, b + 1 are 16 bits apart, those of b = 0 lowest. Then
  // at bits 2 i are those of register r = i % 4 of frag16x32, columns 2 (i / 4), 2 (i / 4) + 1.
  const u32 pairs = permute(word, 0, 0x3120);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int i = 2 * half + j % 2 + j / 2 * 4, p = i % at_once * 2;
    const u32 raised = and_or(pairs >> i / at_once * at_once * 2, twice(3u << p),
                              twice((E::bias + E::mantissa) << E::mantissa));
    a[j] = exact_fma_2<H>(raised, twice((E::bias - p) << E::mantissa),
                          twice(0x8000u | (E::bias + E::mantissa - p) << E::mantissa | 1u << p));
  }
}

// A tile of gemm_w2a8 with one warp along the columns, and stages of 128 columns of 16 bits.
template <int warps_n, int warps_m, int rows, int tokens, int stages>
struct w2a16_tile : tile<warps_n, warps_m, 1, rows, tokens, stages> {
  using base = tile<warps_n, warps_m, 1, rows, tokens, stages>;
  static constexpr int stage_bytes = base::block_tokens * 2 * panel_row;
  static constexpr int blocks = rows * tokens > 8 ? 2 : rows* tokens > 4 ? 3 : 4;  // at a time
  static constexpr int gap = 4;  // between tokens: two of them are 8 banks apart
  using result = result_part<base::block_tokens, base::block_tiles * 16, gap, base::threads>;
  static constexpr int shared = max_of(stages * stage_bytes, result::bytes);
};

// Of a warp: lane 4 g + t has rows g (d[0], d[1]) and g + 8 (d[2], d[3]), tokens 2 t, 2 t + 1.
template <class T>
struct w2a16_sums {
  float at[T::rows][T::tokens][4] = {};

  BP_DEVICE void keep(float* sums, const position<T>& at_) const {
    const int token = at_.m * 8 * T::tokens + at_.lane % 4 * 2;
    float* const mine = sums + token * T::result::row_floats + at_.n * T::rows * 16 + at_.lane / 4;
#pragma unroll
    for (int r = 0; r < T::rows; ++r) {
#pragma unroll
      for (int t = 0; t < T::tokens; ++t) {
#pragma unroll
        for (int i = 0; i < 4; ++i)
          mine[(8 * t + i % 2) * T::result::row_floats + 16 * r + i / 2 * 8] = at[r][t][i];
      }
    }
  }
};

// Half h of 32 columns: of each 16-row tile the word w[r], of each token 8 bytes from `x` on.
template <class T, class H, int h>
BP_DEVICE void multiply_half(const u32 (&w)[T::rows], const char* x, w2a16_sums<T>& sums) {
  uint2 b[T::tokens];
#pragma unroll
  for (int t = 0; t < T::tokens; ++t) b[t] = load_8(x + t * 8 * panel_row);
#pragma unroll
  for (int r = 0; r < T::rows; ++r) {
    u32 a[4];
    expand<H, h>(w[r], a);
#pragma unroll
    for (int t = 0; t < T::tokens; ++t) mma_f16<H>(sums.at[r][t], a, {b[t].x, b[t].y});
  }
}

// One step of 128 columns: weights in registers, tokens of this warp at `x`, where this lane's
// first 8 bytes are: those of columns 16 h + 4 t are in row g, piece 2 h + t / 2 of the panel.
template <class T, class H>
BP_DEVICE void multiply_step_16(const uint4 (&w)[T::rows], const char* stage, int x,
                                w2a16_sums<T>& sums) {
#pragma unroll
  for (int j = 0; j < 4; ++j) {  // of 32 columns
    u32 words[T::rows];
#pragma unroll
    for (int r = 0; r < T::rows; ++r)
      words[r] = j == 0 ? w[r].x : j == 1 ? w[r].y : j == 2 ? w[r].z : w[r].w;
    const char* const panel = stage + j / 2 * T::block_tokens * panel_row;
    multiply_half<T, H, 0>(words, panel + (x ^ j % 2 * 64), sums);
    multiply_half<T, H, 1>(words, panel + (x ^ (j % 2 * 64 + 32)), sums);
  }
}
