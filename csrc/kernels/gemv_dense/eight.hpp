// Dense products, eight weights at a time: the walk over rows and tokens, and the rows of the float
// formats. W is walked row after row, so that it is one stream. For ISA files.
#pragma once

#include "kernels/eight_weights.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {
namespace {

template <int count>
struct tokens {
  static constexpr int value = count;
};

// row(tokens<T or 1>, n, m) for all rows and tokens: T tokens, whose activations stay in the
// nearest cache, against a few rows that were just read, before the next T tokens.
template <int T, class Row>
inline void walk(const dense_args& args, Row row) {
  constexpr std::int64_t height = 16;
  for (std::int64_t begin = args.row_begin; begin < args.row_end; begin += height) {
    const std::int64_t end = begin + height < args.row_end ? begin + height : args.row_end;
    std::int64_t m = 0;
    for (; m + T <= args.M; m += T)
      for (std::int64_t n = begin; n < end; ++n) row(tokens<T>(), n, m);
    for (; m < args.M; ++m)
      for (std::int64_t n = begin; n < end; ++n) row(tokens<1>(), n, m);
  }
}

// Row n against T tokens from token m on: f32, f16, bf16. The order of a token's sums is the same
// for every T: accumulator i takes weights 32 j + 8 i + lane, whole eights beyond the last 32 go on
// from i = 0, single weights beyond them are added one after the other. Loops over sums are
// unrolled so that pairs of vectors stay in registers too.
template <class Format, int T>
inline void float_row(const dense_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t K = args.K;
  const std::uint8_t* w = args.w + n * K * Format::bytes;
  const float* x = args.x + m * K;
  eight sum[T][4];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
    for (auto& v : sum[t]) v = all_eight(0.0f);
  std::int64_t k = 0;
  for (; k + 32 <= K; k += 32) {
    for (int line = 0; line < Format::bytes * 32; line += 64)
      args.ahead.ask(w + k * Format::bytes + line);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const eight weights = eight_weights<Format>(w + (k + 8 * i) * Format::bytes);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t)
        sum[t][i] = fused(weights, load_eight(x + t * K + k + 8 * i), sum[t][i]);
    }
  }
#pragma GCC unroll 3
  for (int i = 0; i < 3; ++i) {
    if (k + 8 > K) break;
    const eight weights = eight_weights<Format>(w + k * Format::bytes);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) sum[t][i] = fused(weights, load_eight(x + t * K + k), sum[t][i]);
    k += 8;
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    float total = sum_lanes((sum[t][0] + sum[t][1]) + (sum[t][2] + sum[t][3]));
    for (std::int64_t j = k; j < K; ++j)
      total += Format::value(w + j * Format::bytes) * x[t * K + j];
    args.out[(m + t) * args.N + n] = total;
  }
}

template <class Format>
inline void float_rows(const dense_args& args) {
  walk<3>(args, [&](auto count, std::int64_t n, std::int64_t m) {  // 12 sums in registers
    float_row<Format, decltype(count)::value>(args, n, m);
  });
}

}  // namespace
}  // namespace bp
