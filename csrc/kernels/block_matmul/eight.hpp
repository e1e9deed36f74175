// The inner product of both block_matmul products: 32 columns of weights decoded to float32, in
// pieces of `depth` along k, against one row after the other. Every lane is one column, so that its
// sum takes its products in the order of k; product and sum round apart. For ISA files, behind the
// header that gives `eight`.
#pragma once

#include "kernels/block_matmul/block_matmul.hpp"

namespace bp {
namespace {

constexpr std::int64_t columns = 32;
constexpr std::int64_t depth = 128;  // 16 KiB of decoded weights

struct panel {
  alignas(32) float w[depth][columns];
};

inline void add_product(eight& sum, eight x, const float* w) {
  sum = sum + x * load_eight(w);
}

// sums[0 .. rows)[32] += x[0 .. rows)[k] * w[k][32] for k in [0, n); rows are `x_stride` and
// `sum_stride` apart. Two rows at once: eight independent chains of additions.
template <int rows>
inline void multiply(const panel& p, const float* x, std::int64_t x_stride, std::int64_t n,
                     float* sums, std::int64_t sum_stride) {
  eight s[rows][4];
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < 4; ++j) s[r][j] = load_eight(sums + r * sum_stride + 8 * j);
  for (std::int64_t k = 0; k < n; ++k) {
    for (int r = 0; r < rows; ++r) {
      const eight value = all_eight(x[r * x_stride + k]);
      for (int j = 0; j < 4; ++j) add_product(s[r][j], value, &p.w[k][8 * j]);
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < 4; ++j) store_eight(sums + r * sum_stride + 8 * j, s[r][j]);
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

// matmul. A class `Signs` holds 16 codes of each of eight columns, the next one in the low bits of
// eight words: Signs(words), weights() the weights 0, 1, 0, -1 of the next codes, next() goes on.
template <class Signs>
struct packed_columns {
  const block_matmul_args& args;

  void decode8(panel& p, std::int64_t first, std::int64_t n, std::int64_t width, std::int64_t k,
               std::int64_t count) const {
    const std::int64_t stride = (args.K + 3) / 4;
    const std::int64_t blocks = args.K / args.block + (args.K % args.block != 0);
    alignas(32) std::uint32_t words[8] = {};
    alignas(32) float lanes[8] = {};
    eight scale = all_eight(0.0f);
    for (std::int64_t i = 0, until = 0; i < count; i += 16) {
      const std::int64_t byte = (k + i) / 4;
      const std::int64_t left = stride - byte < 4 ? stride - byte : 4;
      for (std::int64_t j = 0; j < width; ++j)
        __builtin_memcpy(words + j, args.w + (n + j) * stride + byte,
                         static_cast<std::size_t>(left));
      Signs signs(words);
      const std::int64_t stop = count - i < 16 ? count : i + 16;
      for (std::int64_t at = i; at < stop; ++at, signs.next()) {
        if (at == until) {
          const std::int64_t block = (k + at) / args.block;
          for (std::int64_t j = 0; j < width; ++j) lanes[j] = args.scales[(n + j) * blocks + block];
          scale = load_eight(lanes);
          until = (block + 1) * args.block - k;
        }
        store_eight(p.w[at] + first, signs.weights() * scale);
      }
    }
  }
  void decode(panel& p, std::int64_t n, std::int64_t width, std::int64_t k,
              std::int64_t count) const {
    for (std::int64_t j = 0; j < columns; j += 8) {
      const std::int64_t some = width - j < 0 ? 0 : width - j < 8 ? width - j : 8;
      decode8(p, j, n + j, some, k, count);
    }
  }
  const float* rows(std::int64_t m, std::int64_t, std::int64_t k, std::int64_t,
                    float (*)[depth]) const {
    return args.x + m * args.K + k;
  }
  std::int64_t stride() const { return args.K; }
};

// matmul_i2s; eight bytes as floats.
template <eight (*load_bytes_as_floats)(const std::uint8_t*)>
struct byte_columns {
  const block_matmul_args& args;

  void decode(panel& p, std::int64_t n, std::int64_t width, std::int64_t k,
              std::int64_t count) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint8_t* b = args.b + (k + i) * args.N + n;
      if (width == columns) {
        for (int j = 0; j < columns; j += 8) store_eight(p.w[i] + j, load_bytes_as_floats(b + j));
      } else {
        for (std::int64_t j = 0; j < columns; ++j)
          p.w[i][j] = j < width ? static_cast<float>(b[j]) : 0.0f;
      }
    }
  }
  const float* rows(std::int64_t m, std::int64_t n_rows, std::int64_t k, std::int64_t count,
                    float (*scratch)[depth]) const {
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t i = 0; i < count; ++i)
        scratch[r][i] = static_cast<float>(args.a[(m + r) * args.K + k + i]);
    return scratch[0];
  }
  std::int64_t stride() const { return depth; }
};

}  // namespace
}  // namespace bp
