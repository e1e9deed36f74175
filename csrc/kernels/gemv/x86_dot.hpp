// Rows of the 2-bit formats by vpdpbusd: unsigned codes 0, 1, 2 against signed activations, into
// int32 from the start. |sum| is at most 2 * 128 * K, which largest_columns keeps inside int32.
// The format is a class of two_bit.hpp.
#pragma once

#include "kernels/gemv/x86_avx2.hpp"
#include "kernels/x86_dot.hpp"

namespace bp {
namespace {

// Row n against T tokens from token m on, two sums of each, so that one waits for the other less.
template <class Format, int T>
inline void row_by_tokens_dot(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t groups = args.K / group_weights, ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = Format::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q + m * args.K;
  __m256i even[T], odd[T];
  for (int t = 0; t < T; ++t) even[t] = odd[t] = _mm256_setzero_si256();
  for (std::int64_t g = 0; g < groups; w += Format::step(g), q += group_weights, ++g) {
    prefetch(w + ahead);
    const codes c = unpack<Format>(load(w));
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const std::int8_t* x = q + t * args.K;
      even[t] = dot(dot(even[t], c.c[0], load(x)), c.c[2], load(x + 64));
      odd[t] = dot(dot(odd[t], c.c[1], load(x + 32)), c.c[3], load(x + 96));
    }
  }
  for (int t = 0; t < T; ++t) {
    const std::int32_t sum = sum_lanes(_mm256_add_epi32(even[t], odd[t]));
    args.y[(m + t) * args.N + n] = sum - args.q_sum[m + t];
  }
}

// Four rows whose groups stand in one 128-byte line, against one token.
inline void four_rows_dot(const product_args& args, std::int64_t n) {
  const std::int64_t groups = args.K / group_weights, ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = native_i2_r4::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q;
  __m256i sums[4];
  for (auto& v : sums) v = _mm256_setzero_si256();
  for (std::int64_t g = 0; g < groups; w += 128, q += group_weights, ++g) {
    prefetch(w + ahead);
    prefetch(w + ahead + 64);
    const __m256i q0 = load(q), q1 = load(q + 32), q2 = load(q + 64), q3 = load(q + 96);
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const codes c = unpack<native_i2_r4>(load(w + 32 * r));
      sums[r] = dot(dot(dot(dot(sums[r], c.c[0], q0), c.c[1], q1), c.c[2], q2), c.c[3], q3);
    }
  }
  for (int r = 0; r < 4 && n + r < args.row_end; ++r)
    args.y[n + r] = sum_lanes(sums[r]) - args.q_sum[0];
}

template <class Format>
inline void gemv_rows_dot(const product_args& args) {
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n)
    row_by_tokens_dot<Format, 1>(args, n, 0);
}

}  // namespace
}  // namespace bp
