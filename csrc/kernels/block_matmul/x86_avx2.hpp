// The inner product of both block_matmul products: 32 columns of weights decoded to float32, in
// pieces of `depth` along k, against one row after the other. Every lane is one column, so that its
// sum takes its products in the order of k; product and sum round apart.
#pragma once

#include <immintrin.h>

#include "kernels/block_matmul/block_matmul.hpp"

namespace bp {
namespace {

constexpr std::int64_t columns = 32;
constexpr std::int64_t depth = 128;  // 16 KiB of decoded weights

struct panel {
  alignas(32) float w[depth][columns];
};

inline void add_product(__m256& sum, __m256 x, const float* w) {
  sum = _mm256_add_ps(sum, _mm256_mul_ps(x, _mm256_load_ps(w)));
}

// sums[0 .. rows)[32] += x[0 .. rows)[k] * w[k][32] for k in [0, n); rows are `x_stride` and
// `sum_stride` apart. Two rows at once: eight independent chains of additions.
template <int rows>
inline void multiply(const panel& p, const float* x, std::int64_t x_stride, std::int64_t n,
                     float* sums, std::int64_t sum_stride) {
  __m256 s[rows][4];
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < 4; ++j) s[r][j] = _mm256_loadu_ps(sums + r * sum_stride + 8 * j);
  for (std::int64_t k = 0; k < n; ++k) {
    for (int r = 0; r < rows; ++r) {
      const __m256 value = _mm256_broadcast_ss(x + r * x_stride + k);
      for (int j = 0; j < 4; ++j) add_product(s[r][j], value, &p.w[k][8 * j]);
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < 4; ++j) _mm256_storeu_ps(sums + r * sum_stride + 8 * j, s[r][j]);
}

// Columns [n, n + width) of c. Weights: decode(panel, n, width, k, count) fills [count][32],
// columns beyond `width` with anything; rows(m, k, count, scratch) gives x[m][k ...] as float32.
template <class Weights>
inline void multiply_columns(const block_matmul_args& args, const Weights& weights, std::int64_t n,
                             std::int64_t width) {
  panel p;
  alignas(32) float scratch[2][depth];
  alignas(32) float narrow[2][columns] = {};
  for (std::int64_t k = 0; k < args.K; k += depth) {
    const std::int64_t count = args.K - k < depth ? args.K - k : depth;
    weights.decode(p, n, width, k, count);
    for (std::int64_t m = 0; m < args.M; m += 2) {
      const std::int64_t rows = args.M - m < 2 ? 1 : 2;
      const float* x = weights.rows(m, rows, k, count, scratch);
      const std::int64_t x_stride = weights.stride();
      float* c = args.c + m * args.N + n;
      float* sums = width == columns ? c : narrow[0];
      const std::int64_t sum_stride = width == columns ? args.N : columns;
      const std::size_t bytes = static_cast<std::size_t>(width) * sizeof(float);
      for (std::int64_t r = 0; r < rows; ++r) {
        if (k == 0) {
          __builtin_memset(sums + r * sum_stride, 0, bytes);
        } else if (width < columns) {
          __builtin_memcpy(narrow[r], c + r * args.N, bytes);
        }
      }
      if (rows == 2) {
        multiply<2>(p, x, x_stride, count, sums, sum_stride);
      } else {
        multiply<1>(p, x, x_stride, count, sums, sum_stride);
      }
      for (std::int64_t r = 0; width < columns && r < rows; ++r)
        __builtin_memcpy(c + r * args.N, narrow[r], bytes);
    }
  }
}

template <class Weights>
inline void multiply_all(const block_matmul_args& args, const Weights& weights) {
  for (std::int64_t n = args.n_begin; n < args.n_end; n += columns) {
    const std::int64_t width = args.n_end - n < columns ? args.n_end - n : columns;
    multiply_columns(args, weights, n, width);
  }
}

}  // namespace
}  // namespace bp
