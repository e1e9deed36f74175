// AVX2 gemm of codes 0, 1, 2. Few tokens: one row by four tokens, straight from the packed bytes.
// More tokens: 16 rows by 512 columns are unpacked into a panel in L1, which all tokens read.
#pragma once

#include "kernels/gemm/panels.hpp"
#include "kernels/gemv/x86_avx2.hpp"

namespace bp {
namespace {

// sum += v in int16 lanes, here and in one register. Left alone, GCC 12 computes the products of
// all tokens first, runs out of registers and keeps one sum in memory, at half the speed.
inline void add_in_place(__m256i& sum, __m256i v) {
  asm volatile("vpaddw %1, %0, %0" : "+x"(sum) : "x"(v));
}

// panel: [columns / 4][16 rows][4 codes], rows r of columns 4j .. 4j + 3 in one dword.
// sums: [T][16] int32, sum(code * q) of T tokens, `stride` values apart, added to.
template <int T>
inline void panel_by_tokens(const std::uint8_t* panel, const std::int8_t* q, std::int64_t stride,
                            std::int64_t columns, std::int32_t* sums) {
  // A step adds one pair sum (at most 512 in magnitude, see groups_before_widening) to a lane.
  constexpr std::int64_t steps_before_widening = 64;
  const std::int64_t steps = columns / 4;
  for (std::int64_t j = 0; j < steps;) {
    const std::int64_t left = steps - j;
    const std::int64_t stop = j + (left < steps_before_widening ? left : steps_before_widening);
    __m256i low[T], high[T];  // rows 0-7 and 8-15: two int16 sums each
    for (int t = 0; t < T; ++t) low[t] = high[t] = _mm256_setzero_si256();
    for (; j < stop; ++j) {
      const __m256i w0 = load(panel + j * 64), w1 = load(panel + j * 64 + 32);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        std::int32_t four;
        __builtin_memcpy(&four, q + t * stride + 4 * j, sizeof four);
        const __m256i x = _mm256_set1_epi32(four);
        add_in_place(low[t], _mm256_maddubs_epi16(w0, x));
        add_in_place(high[t], _mm256_maddubs_epi16(w1, x));
      }
    }
    for (int t = 0; t < T; ++t) {
      store(sums + 16 * t, widen(load(sums + 16 * t), low[t]));
      store(sums + 16 * t + 8, widen(load(sums + 16 * t + 8), high[t]));
    }
  }
}

// Rows of 8 dwords to columns: v[j] becomes dword j of rows 0 .. 7.
//   unpack dwords   a0 b0 a1 b1 | a4 b4 a5 b5
//   unpack qwords   a0 b0 c0 d0 | a4 b4 c4 d4
//   permute halves  a0 b0 c0 d0 | e0 f0 g0 h0
inline void transpose(__m256i v[8]) {
  __m256i t[8], u[8];
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
    t[2 * i + 1] = _mm256_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    u[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int j = 0; j < 4; ++j) {
    v[j] = _mm256_permute2x128_si256(u[j], u[j + 4], 0x20);
    v[j + 4] = _mm256_permute2x128_si256(u[j], u[j + 4], 0x31);
  }
}

// Fills a panel from 16 rows of a 2-bit format; rows past N repeat the last one (their sums are
// dropped). Packed bytes are transposed before they are unpacked: a quarter of the shuffles.
template <class Format>
struct two_bit_panel {
  static constexpr std::int64_t width = panel_columns;

  static void fill(const product_args& args, std::int64_t n, std::int64_t k, std::int64_t columns,
                   std::uint8_t* panel) {
    for (std::int64_t g = k / group_weights; g < (k + columns) / group_weights;
         ++g, panel += 2048) {
      for (int half = 0; half < 2; ++half) {
        __m256i v[8];
        for (int r = 0; r < 8; ++r) {
          const std::int64_t row = n + 8 * half + r;
          v[r] = load(Format::group(args.w, args.K, row < args.N ? row : args.N - 1, g));
        }
        transpose(v);
        for (int j = 0; j < 8; ++j) {
          const codes c = unpack<Format>(v[j]);
          for (int s = 0; s < 4; ++s) store(panel + (8 * s + j) * 64 + 32 * half, c.c[s]);
        }
      }
    }
    fetch_next_panel<Format>(args, n, k + columns);
  }
};

// Adds a panel's products to the sums, four tokens at a time.
struct pair_products {
  static void add(const product_args& args, const std::uint8_t* panel, std::int64_t k,
                  std::int64_t columns, std::int64_t m_begin, std::int64_t tokens,
                  std::int32_t* sums) {
    const std::int8_t* q = args.q + m_begin * args.K + k;
    std::int64_t m = 0;
    for (; m + 4 <= tokens; m += 4)
      panel_by_tokens<4>(panel, q + m * args.K, args.K, columns, sums + m * panel_rows);
    for (; m < tokens; ++m)
      panel_by_tokens<1>(panel, q + m * args.K, args.K, columns, sums + m * panel_rows);
  }
};

// Eight rows at a time, so that four tokens stay in L1 while the rows pass.
template <class Format>
inline void gemm_row_by_row(const product_args& args) {
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 8) {
    const std::int64_t end = n + 8 < args.row_end ? n + 8 : args.row_end;
    std::int64_t m = 0;
    for (; m + 4 <= args.M; m += 4)
      for (std::int64_t r = n; r < end; ++r) row_by_tokens<Format, 4>(args, r, m);
    const std::int64_t rest = args.M - m;
    for (std::int64_t r = n; r < end; ++r) {
      if (rest == 1) row_by_tokens<Format, 1>(args, r, m);
      if (rest == 2) row_by_tokens<Format, 2>(args, r, m);
      if (rest == 3) row_by_tokens<Format, 3>(args, r, m);
    }
  }
}

template <class Format>
inline void gemm_two_bit(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = panel_rows;
  if (args.step != product_step::rows) return;
  if (args.M < args.tuned.panel_tokens) {
    gemm_row_by_row<Format>(args);
  } else {
    gemm_by_panels<two_bit_panel<Format>, pair_products>(args);
  }
}

}  // namespace
}  // namespace bp
