// Rows of tq1_0 by vpdpbusd without a single trit. A byte z_0 is a fraction of 256, and
// z_n+1 = 3 z_n modulo 256 leaves trit n: 3 z_n = 256 trit_n + z_n+1. So
//   256 sum(trit_n * q_n) = 3 sum(z_n * q_n) - sum(z_n+1 * q_n),
// two vpdpbusd of bytes as they stand for each step of n, where unpacking would take four
// instructions more. For ISA files: everything is in an anonymous namespace.
//
// A class `Lanes` gives
//   rows, tokens             how many at a time
//   bytes, sums              the bytes of a block, sums of their products (int32)
//   load<bounded>(w)         the bytes of the block at w, `bounded` where a load that passes the
//                            block would pass the end of the weights
//   times_3(bytes)           modulo 256
//   add(sums, bytes, x)      sums += bytes . 64 activations at x
//   totals(of, next, to)     to[r] = (3 sum(of[r]) - sum(next[r])) / 256
#pragma once

#include "kernels/distances.hpp"
#include "kernels/half.hpp"
#include "kernels/tq1_0.hpp"
#include "kernels/x86_avx2.hpp"

namespace bp {
namespace {

// Activations of a block as its bytes meet them, five times 64, n = 0 .. 4:
//   q[32 n] .. 32 bytes | q[160 + 16 n] .. 16 bytes | q[240 + 4 n] .. 4 bytes, n < 4 | zeros
// Zeros also meet what is loaded behind the 52 bytes. Then the sum of each block, [M][blocks]
// int32.
constexpr std::int64_t trits = 5, arranged_block = trits * 64;

inline void arrange_block(const std::int8_t* q, std::uint8_t* to) {
  for (int n = 0; n < trits; ++n, to += 64) {
    __builtin_memcpy(to, q + 32 * n, 32);
    __builtin_memcpy(to + 32, q + 160 + 16 * n, 16);
    __builtin_memset(to + 48, 0, 16);
    if (n < trits - 1) __builtin_memcpy(to + 48, q + 240 + 4 * n, 4);
  }
}

// The sums are modulo 2^32 until they are divided, 256 times what they stand for: at most
// 256 * 2 * 128 for each weight, 2^31 for 128 blocks.
constexpr std::int64_t blocks_before_dividing = 127;

// Where some rows begin; the last stands in place of rows that are not there.
template <int rows>
struct row_starts {
  const std::uint8_t* w[rows];

  row_starts(const product_args& args, std::int64_t n, std::int64_t blocks) {
    for (int r = 0; r < rows; ++r) {
      const std::int64_t row = n + r < args.row_end ? n + r : args.row_end - 1;
      w[r] = args.w + row * blocks * tq1_0::block_bytes;
    }
  }
};

// The rows are read side by side, so what is wanted behind them is as far as all of them are long.
inline distances ahead_of_rows(const product_args& args, std::int64_t blocks, std::int64_t rows) {
  const std::int64_t all = rows * blocks * tq1_0::block_bytes;
  return {(args.tuned.prefetch_bytes + all - 1) / all * all, 256};
}

// Of some rows and T tokens.
template <class Lanes, int T>
struct fraction_sums {
  static constexpr int rows = Lanes::rows;
  typename Lanes::sums of[T][rows], next[T][rows];  // sum(z_n * q_n), sum(z_n+1 * q_n)

  inline __attribute__((always_inline)) void clear() {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) of[t][r] = next[t][r] = typename Lanes::sums{};
  }

  // Block b; its arranged activations at q, those of the next token K_q later.
  template <bool bounded>
  inline __attribute__((always_inline)) void add_block(const row_starts<rows>& from, std::int64_t b,
                                                       distances ahead, const std::uint8_t* q,
                                                       std::int64_t K_q) {
    typename Lanes::bytes z[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const std::uint8_t* w = from.w[r] + b * tq1_0::block_bytes;
      z[r] = Lanes::template load<bounded>(w);
      ahead.ask(w);
    }
#pragma GCC unroll 5
    for (int n = 0; n < trits; ++n) {
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) {
        const auto z_next = Lanes::times_3(z[r]);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          Lanes::add(of[t][r], z[r], q + t * K_q + 64 * n);
          Lanes::add(next[t][r], z_next, q + t * K_q + 64 * n);
        }
        z[r] = z_next;
      }
    }
  }
};

// Rows n .. n + rows - 1 against the T tokens from m on.
template <class Lanes, bool bounded, int T>
inline void some_tq1_0(const product_args& args, std::int64_t n, std::int64_t m) {
  constexpr int rows = Lanes::rows;
  const std::int64_t blocks = args.K / tq1_0::block_weights, K_q = blocks * arranged_block;
  const std::uint8_t* q = args.shared + m * K_q;
  const row_starts<rows> from(args, n, blocks);
  const distances ahead = ahead_of_rows(args, blocks, rows);
  std::int32_t total[T][rows];
  for (int t = 0; t < T; ++t)
    for (auto& row : total[t]) row = -args.q_sum[m + t];
  for (std::int64_t b = 0; b < blocks;) {
    const std::int64_t left = blocks - b;
    const std::int64_t stop = b + (left < blocks_before_dividing ? left : blocks_before_dividing);
    fraction_sums<Lanes, T> sums;
    sums.clear();
    for (; b < stop; ++b, q += arranged_block)
      sums.template add_block<bounded>(from, b, ahead, q, K_q);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      std::int32_t found[rows];
      Lanes::totals(sums.of[t], sums.next[t], found);
      for (int r = 0; r < rows; ++r) total[t][r] += found[r];
    }
  }
  for (int t = 0; t < T; ++t)
    for (int r = 0; r < rows && n + r < args.row_end; ++r)
      args.y[(m + t) * args.N + n + r] = total[t][r];
}

// scaled[m, n] of rows n .. n + rows - 1: blocks in order, d_b * float32(sum_b).
template <class Lanes, bool bounded>
inline void some_tq1_0_scaled(const product_args& args, std::int64_t n, std::int64_t m) {
  constexpr int rows = Lanes::rows;
  const std::int64_t blocks = args.K / tq1_0::block_weights, K_q = blocks * arranged_block;
  const std::uint8_t* q = args.shared + m * K_q;
  const auto* q_sums = reinterpret_cast<const std::int32_t*>(args.shared + args.M * K_q);
  const row_starts<rows> from(args, n, blocks);
  const distances ahead = ahead_of_rows(args, blocks, rows);
  float total[rows] = {};
  for (std::int64_t b = 0; b < blocks; ++b, q += arranged_block) {
    fraction_sums<Lanes, 1> sums;
    sums.clear();
    sums.template add_block<bounded>(from, b, ahead, q, K_q);
    std::int32_t found[rows];
    Lanes::totals(sums.of[0], sums.next[0], found);
    for (int r = 0; r < rows; ++r) {
      const std::uint8_t* w = from.w[r] + b * tq1_0::block_bytes;
      const float d = half_to_float(w + tq1_0::scale_offset) * activation_scale(args, blocks, m, b);
      total[r] += d * static_cast<float>(found[r] - q_sums[m * blocks + b]);
    }
  }
  for (int r = 0; r < rows && n + r < args.row_end; ++r) args.scaled[m * args.N + n + r] = total[r];
}

// Part p: block p of all tokens, token by token.
inline void arrange_tq1_0(const product_args& args, std::int64_t p) {
  const std::int8_t* q = args.q + p * tq1_0::block_weights;
  arrange_block(q, args.shared + p * arranged_block);
  __m256i wide = _mm256_setzero_si256();
  for (int k = 0; k < tq1_0::block_weights; k += 32)
    wide = widen(wide, _mm256_maddubs_epi16(_mm256_set1_epi8(1), load(q + k)));
  const std::int64_t parts = args.M * (args.K / tq1_0::block_weights);
  // |sum| <= 128 * K <= 2^29.
  const std::int32_t sum = sum_lanes(wide);
  __builtin_memcpy(args.shared + parts * arranged_block + p * 4, &sum, sizeof sum);
}

template <class Lanes, bool bounded>
inline void tq1_0_tokens(const product_args& args, std::int64_t n) {
  std::int64_t m = 0;
  if (args.block_scales) {
    for (; m < args.M; ++m) some_tq1_0_scaled<Lanes, bounded>(args, n, m);
  }
  for (; m + Lanes::tokens <= args.M; m += Lanes::tokens)
    some_tq1_0<Lanes, bounded, Lanes::tokens>(args, n, m);
  for (; m < args.M; ++m) some_tq1_0<Lanes, bounded, 1>(args, n, m);
}

template <class Lanes>
inline void tq1_0_by_fractions(const product_args& args) {
  const std::int64_t parts = args.M * (args.K / tq1_0::block_weights);
  switch (args.step) {
    case product_step::plan:
      args.needs->row_step = Lanes::rows;
      args.needs->shared_bytes = static_cast<std::size_t>(parts * (arranged_block + 4));
      args.needs->shared_parts = parts;
      break;
    case product_step::prepare:
      for (std::int64_t p = args.part_begin; p < args.part_end; ++p) arrange_tq1_0(args, p);
      break;
    case product_step::rows:
      for (std::int64_t n = args.row_begin; n < args.row_end; n += Lanes::rows) {
        n + Lanes::rows < args.N ? tq1_0_tokens<Lanes, false>(args, n)
                                 : tq1_0_tokens<Lanes, true>(args, n);
      }
      break;
  }
}

}  // namespace
}  // namespace bp
