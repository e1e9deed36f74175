// The reference of the dense products: a row of W against one row of x, one weight at a time.
#pragma once

#include "kernels/dense.hpp"
#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {
namespace {

// f32, f16, bf16.
template <class Format>
inline float row_product(const dense_args& args, const std::uint8_t* w, std::int64_t m) {
  const float* x = args.x + m * args.K;
  float total = 0;
  for (std::int64_t k = 0; k < args.K; ++k) total += Format::value(w + k * Format::bytes) * x[k];
  return total;
}

inline std::int32_t integer_product(const std::int8_t* w, const std::int8_t* q, int count) {
  std::int32_t sum = 0;
  for (int i = 0; i < count; ++i) sum += w[i] * q[i];
  return sum;
}

// q8_0, q4_0: eight lanes.
template <class Format>
inline float lanes_product(const dense_args& args, const std::uint8_t* w, std::int64_t m) {
  const std::int64_t blocks = args.K / Format::block;
  const std::int8_t* q = args.q + m * args.K;
  const float* d = args.q_scale + m * blocks;
  float lane[8] = {};
  for (std::int64_t b = 0; b < blocks; ++b, w += Format::bytes, q += Format::block) {
    std::int8_t codes[Format::block];
    Format::codes(w, codes);
    const std::int32_t sum = integer_product(codes, q, Format::block);
    lane[b % 8] += Format::scale(w) * d[b] * static_cast<float>(sum);
  }
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

template <>
inline float row_product<dense_q8_0>(const dense_args& args, const std::uint8_t* w,
                                     std::int64_t m) {
  return lanes_product<dense_q8_0>(args, w, m);
}

template <>
inline float row_product<dense_q4_0>(const dense_args& args, const std::uint8_t* w,
                                     std::int64_t m) {
  return lanes_product<dense_q4_0>(args, w, m);
}

template <>
inline float row_product<dense_q6_k>(const dense_args& args, const std::uint8_t* w,
                                     std::int64_t m) {
  const std::int64_t blocks = args.K / dense_q6_k::block;
  const std::int8_t* q = args.q + m * args.K;
  float total = 0;
  for (std::int64_t b = 0; b < blocks; ++b, w += dense_q6_k::bytes, q += dense_q6_k::block) {
    std::int8_t codes[dense_q6_k::block];
    dense_q6_k::codes(w, codes);
    std::int32_t sum = 0;
    for (int run = 0; run < 16; ++run) {
      sum += dense_q6_k::run_scale(w, run) * integer_product(codes + 16 * run, q + 16 * run, 16);
    }
    total += dense_q6_k::scale(w) * args.q_scale[m * blocks + b] * static_cast<float>(sum);
  }
  return total;
}

template <>
inline float row_product<dense_q4_k>(const dense_args& args, const std::uint8_t* w,
                                     std::int64_t m) {
  const std::int64_t blocks = args.K / dense_q4_k::block;
  const std::int8_t* q = args.q + m * args.K;
  const std::int16_t* q_sum = args.q_sum + m * args.K / 32;
  float total = 0;
  for (std::int64_t b = 0; b < blocks; ++b, w += dense_q4_k::bytes, q += dense_q4_k::block) {
    std::int8_t codes[dense_q4_k::block];
    dense_q4_k::codes(w, codes);
    std::int32_t sum = 0, min = 0;
    for (int run = 0; run < 8; ++run) {
      sum += dense_q4_k::run_scale(w, run) * integer_product(codes + 32 * run, q + 32 * run, 32);
      min += dense_q4_k::run_min(w, run) * q_sum[8 * b + run];
    }
    const float d = args.q_scale[m * blocks + b];
    total += dense_q4_k::scale(w) * d * static_cast<float>(sum);
    total -= dense_q4_k::min_scale(w) * d * static_cast<float>(min);
  }
  return total;
}

template <class Format>
inline void dense_rows(const dense_args& args) {
  const std::int64_t row_bytes = args.K / Format::block * Format::bytes;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    for (std::int64_t m = 0; m < args.M; ++m)
      args.out[m * args.N + n] = row_product<Format>(args, args.w + n * row_bytes, m);
  }
}

}  // namespace
}  // namespace bp
