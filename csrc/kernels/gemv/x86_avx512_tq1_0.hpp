// AVX-512 VNNI rows of tq1_0 without a single trit. A byte z_0 is a fraction of 256, and
// z_n+1 = 3 z_n modulo 256 leaves trit n: 3 z_n = 256 trit_n + z_n+1. So
//   256 sum(trit_n * q_n) = 3 sum(z_n * q_n) - sum(z_n+1 * q_n),
// two vpdpbusd of bytes as they stand for each step of n, where unpacking would take four
// instructions more. For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/gemv/x86_avx512_ahead.hpp"
#include "kernels/half.hpp"
#include "kernels/tq1_0.hpp"
#include "kernels/x86_avx2.hpp"
#include "kernels/x86_avx512.hpp"

namespace bp {
namespace {

// Activations of a block as its bytes meet them, five vectors of 64, n = 0 .. 4:
//   q[32 n] .. 32 bytes | q[160 + 16 n] .. 16 bytes | q[240 + 4 n] .. 4 bytes, n < 4 | zeros
// Zeros also meet what is loaded behind the 52 bytes. Then the sum of each block, [M][blocks]
// int32.
constexpr std::int64_t trits = 5, arranged_block = trits * 64;

inline void arrange_block(const std::int8_t* q, std::uint8_t* to) {
  for (int n = 0; n < trits; ++n, to += 64) {
    _mm512_storeu_si512(to, _mm512_setzero_si512());
    __builtin_memcpy(to, q + 32 * n, 32);
    __builtin_memcpy(to + 32, q + 160 + 16 * n, 16);
    if (n < trits - 1) __builtin_memcpy(to + 48, q + 240 + 4 * n, 4);
  }
}

// The sums are modulo 2^32 until they are divided, 256 times what they stand for: at most
// 256 * 2 * 128 for each weight, 2^31 for 128 blocks.
constexpr std::int64_t blocks_before_dividing = 127;

constexpr int rows_at_once = 4;

// Where four rows begin; the last stands in place of rows that are not there.
struct row_starts {
  const std::uint8_t* w[rows_at_once];

  row_starts(const product_args& args, std::int64_t n, std::int64_t blocks) {
    for (int r = 0; r < rows_at_once; ++r) {
      const std::int64_t row = n + r < args.row_end ? n + r : args.row_end - 1;
      w[r] = args.w + row * blocks * tq1_0::block_bytes;
    }
  }
};

// Four rows are read at a time, so the bytes after theirs are those of the next four.
inline distances ahead_of_rows(const product_args& args, std::int64_t blocks) {
  const std::int64_t all = rows_at_once * blocks * tq1_0::block_bytes;
  return {(args.tuned.prefetch_bytes + all - 1) / all * all, 256};
}

// The bytes of block b. A vector is longer than a block: `bounded` where it would pass the end of
// the weights.
template <bool bounded>
inline __m512i block_bytes(const std::uint8_t* w, std::int64_t b) {
  w += b * tq1_0::block_bytes;
  if constexpr (bounded) return _mm512_maskz_loadu_epi8((std::uint64_t{1} << 52) - 1, w);
  return load_line(w);
}

inline __m512i times_3(__m512i v) {
  return _mm512_add_epi8(v, _mm512_add_epi8(v, v));
}

// Of four rows and T tokens.
template <int T>
struct fraction_sums {
  __m512i of[T][rows_at_once], next[T][rows_at_once];  // sum(z_n * q_n), sum(z_n+1 * q_n)

  inline __attribute__((always_inline)) void clear() {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
      for (int r = 0; r < rows_at_once; ++r) of[t][r] = next[t][r] = _mm512_setzero_si512();
  }

  // Block b; its arranged activations at q, those of the next token K_q later.
  template <bool bounded>
  inline __attribute__((always_inline)) void add_block(const row_starts& rows, std::int64_t b,
                                                       distances ahead, const std::uint8_t* q,
                                                       std::int64_t K_q) {
    __m512i z[rows_at_once];
#pragma GCC unroll 4
    for (int r = 0; r < rows_at_once; ++r) {
      z[r] = block_bytes<bounded>(rows.w[r], b);
      ahead.ask(rows.w[r] + b * tq1_0::block_bytes);
    }
#pragma GCC unroll 5
    for (int n = 0; n < trits; ++n) {
#pragma GCC unroll 4
      for (int r = 0; r < rows_at_once; ++r) {
        const __m512i z_next = times_3(z[r]);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          const __m512i x = load_line(q + t * K_q + 64 * n);
          of[t][r] = _mm512_dpbusd_epi32(of[t][r], z[r], x);
          next[t][r] = _mm512_dpbusd_epi32(next[t][r], z_next, x);
        }
        z[r] = z_next;
      }
    }
  }

  // sum(trit * q) of each row.
  inline __attribute__((always_inline)) __m128i rows(int t) const {
    const auto lanes = [&](int r) {
      const __m512i twice = _mm512_add_epi32(of[t][r], of[t][r]);
      return _mm512_sub_epi32(_mm512_add_epi32(twice, of[t][r]), next[t][r]);
    };
    return _mm_srai_epi32(sum_four(lanes(0), lanes(1), lanes(2), lanes(3)), 8);
  }
};

inline __mmask8 rows_there(const product_args& args, std::int64_t n) {
  const std::int64_t rows = args.row_end - n;
  return static_cast<__mmask8>(rows >= rows_at_once ? 15 : (1 << rows) - 1);
}

// Rows n .. n + 3 against the T tokens from m on.
template <bool bounded, int T>
inline void four_tq1_0(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t blocks = args.K / tq1_0::block_weights, K_q = blocks * arranged_block;
  const std::uint8_t* q = args.shared + m * K_q;
  const row_starts rows(args, n, blocks);
  const distances ahead = ahead_of_rows(args, blocks);
  __m128i total[T];
  for (int t = 0; t < T; ++t) total[t] = _mm_set1_epi32(-args.q_sum[m + t]);
  for (std::int64_t b = 0; b < blocks;) {
    const std::int64_t left = blocks - b;
    const std::int64_t stop = b + (left < blocks_before_dividing ? left : blocks_before_dividing);
    fraction_sums<T> sums;
    sums.clear();
    for (; b < stop; ++b, q += arranged_block)
      sums.template add_block<bounded>(rows, b, ahead, q, K_q);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) total[t] = _mm_add_epi32(total[t], sums.rows(t));
  }
  for (int t = 0; t < T; ++t)
    _mm_mask_storeu_epi32(args.y + (m + t) * args.N + n, rows_there(args, n), total[t]);
}

// scaled[m, n] of rows n .. n + 3: blocks in order, d_b * float32(sum_b).
template <bool bounded>
inline void four_tq1_0_scaled(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t blocks = args.K / tq1_0::block_weights, K_q = blocks * arranged_block;
  const std::uint8_t* q = args.shared + m * K_q;
  const auto* q_sums = reinterpret_cast<const std::int32_t*>(args.shared + args.M * K_q);
  const row_starts rows(args, n, blocks);
  const distances ahead = ahead_of_rows(args, blocks);
  __m128 total = _mm_setzero_ps();
  for (std::int64_t b = 0; b < blocks; ++b, q += arranged_block) {
    fraction_sums<1> sums;
    sums.clear();
    sums.template add_block<bounded>(rows, b, ahead, q, K_q);
    const __m128i sum = _mm_sub_epi32(sums.rows(0), _mm_set1_epi32(q_sums[m * blocks + b]));
    std::uint16_t d[8] = {};
    for (int r = 0; r < rows_at_once; ++r)
      __builtin_memcpy(d + r, rows.w[r] + b * tq1_0::block_bytes + tq1_0::scale_offset, 2);
    const __m128 scale =
        _mm_mul_ps(_mm_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(d))),
                   _mm_set1_ps(activation_scale(args, blocks, m, b)));
    total = _mm_add_ps(total, _mm_mul_ps(scale, _mm_cvtepi32_ps(sum)));
  }
  _mm_mask_storeu_ps(args.scaled + m * args.N + n, rows_there(args, n), total);
}

// Part p: block p of all tokens, token by token.
inline void arrange_tq1_0(const product_args& args, std::int64_t p) {
  const std::int8_t* q = args.q + p * tq1_0::block_weights;
  arrange_block(q, args.shared + p * arranged_block);
  __m256i wide = _mm256_setzero_si256();
  for (int k = 0; k < tq1_0::block_weights; k += 32)
    wide = widen(wide, _mm256_maddubs_epi16(_mm256_set1_epi8(1), load(q + k)));
  const std::int64_t parts = args.M * (args.K / tq1_0::block_weights);
  const std::int32_t sum = sum_lanes(wide);
  __builtin_memcpy(args.shared + parts * arranged_block + p * 4, &sum, sizeof sum);
}

template <bool bounded>
inline void tq1_0_tokens(const product_args& args, std::int64_t n) {
  std::int64_t m = 0;
  if (args.block_scales) {
    for (; m < args.M; ++m) four_tq1_0_scaled<bounded>(args, n, m);
  }
  for (; m + 2 <= args.M; m += 2) four_tq1_0<bounded, 2>(args, n, m);
  for (; m < args.M; ++m) four_tq1_0<bounded, 1>(args, n, m);
}

inline void tq1_0_by_fractions(const product_args& args) {
  const std::int64_t parts = args.M * (args.K / tq1_0::block_weights);
  switch (args.step) {
    case product_step::plan:
      args.needs->row_step = rows_at_once;
      args.needs->shared_bytes = static_cast<std::size_t>(parts * (arranged_block + 4));
      args.needs->shared_parts = parts;
      break;
    case product_step::prepare:
      for (std::int64_t p = args.part_begin; p < args.part_end; ++p) arrange_tq1_0(args, p);
      break;
    case product_step::rows:
      for (std::int64_t n = args.row_begin; n < args.row_end; n += rows_at_once)
        n + rows_at_once < args.N ? tq1_0_tokens<false>(args, n) : tq1_0_tokens<true>(args, n);
      break;
  }
}

}  // namespace
}  // namespace bp
