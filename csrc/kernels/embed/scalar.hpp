// Blocks to float32, weight after weight.
#pragma once

#include "kernels/dense.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {
namespace {

template <class Format>
inline void dequantize_block(const std::uint8_t* p, float* out) {
  out[0] = Format::value(p);
}

template <class Format>
inline void dequantize_scaled(const std::uint8_t* p, float* out) {
  std::int8_t q[Format::block];
  Format::codes(p, q);
  const float d = Format::scale(p);
  for (int i = 0; i < Format::block; ++i) out[i] = d * static_cast<float>(q[i]);
}

template <>
inline void dequantize_block<dense_q8_0>(const std::uint8_t* p, float* out) {
  dequantize_scaled<dense_q8_0>(p, out);
}

template <>
inline void dequantize_block<dense_q4_0>(const std::uint8_t* p, float* out) {
  dequantize_scaled<dense_q4_0>(p, out);
}

template <>
inline void dequantize_block<dense_q6_k>(const std::uint8_t* p, float* out) {
  std::int8_t q[dense_q6_k::block];
  dense_q6_k::codes(p, q);
  const float d = dense_q6_k::scale(p);
  for (int run = 0; run < 16; ++run) {
    const float scale = d * static_cast<float>(dense_q6_k::run_scale(p, run));
    for (int i = 16 * run; i < 16 * run + 16; ++i) out[i] = scale * static_cast<float>(q[i]);
  }
}

template <>
inline void dequantize_block<dense_q4_k>(const std::uint8_t* p, float* out) {
  std::int8_t q[dense_q4_k::block];
  dense_q4_k::codes(p, q);
  for (int run = 0; run < 8; ++run) {
    const float d = dense_q4_k::scale(p) * static_cast<float>(dense_q4_k::run_scale(p, run));
    const float m = dense_q4_k::min_scale(p) * static_cast<float>(dense_q4_k::run_min(p, run));
    for (int i = 32 * run; i < 32 * run + 32; ++i) out[i] = d * static_cast<float>(q[i]) - m;
  }
}

template <class Format>
inline void embed_rows(const embed_args& args) {
  const std::int64_t blocks = args.K / Format::block;
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const std::uint8_t* p = args.w + args.tokens[m] * blocks * Format::bytes;
    float* out = args.out + m * args.K;
    for (std::int64_t b = 0; b < blocks; ++b)
      dequantize_block<Format>(p + b * Format::bytes, out + b * Format::block);
  }
}

}  // namespace
}  // namespace bp
