// Blocks to float32 with NEON.
#pragma once

#include "kernels/arm_neon_dense.hpp"
#include "kernels/embed/eight.hpp"

namespace bp {
namespace {

// Eight int16 as float32.
inline eight eight_floats(int16x8_t words) {
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))), vcvtq_f32_s32(vmovl_high_s16(words))};
}

// 16 codes by `scale`, less `offset`.
inline void scale_16(int8x16_t codes, float scale, float offset, float* out) {
  const eight first = eight_floats(vmovl_s8(vget_low_s8(codes)));
  const eight second = eight_floats(vmovl_high_s8(codes));
  store_eight(out, first * all_eight(scale) - all_eight(offset));
  store_eight(out + 8, second * all_eight(scale) - all_eight(offset));
}

// Blocks of 32 with one scale.
template <class Format>
inline void embed_blocks(const std::uint8_t* w, std::int64_t K, float* out) {
  for (std::int64_t k = 0; k < K; k += 32, w += Format::bytes) {
    const codes_32 codes = load_codes<Format>(w, 0);
    for (int i = 0; i < 2; ++i) scale_16(codes.c[i], half_at(w), 0.0f, out + k + 16 * i);
  }
}

template <>
inline void embed_row<dense_q8_0>(const std::uint8_t* w, std::int64_t K, float* out) {
  embed_blocks<dense_q8_0>(w, K, out);
}

template <>
inline void embed_row<dense_q4_0>(const std::uint8_t* w, std::int64_t K, float* out) {
  embed_blocks<dense_q4_0>(w, K, out);
}

template <>
inline void embed_row<dense_q6_k>(const std::uint8_t* w, std::int64_t K, float* out) {
  using format = dense_q6_k;
  for (std::int64_t k = 0; k < K; k += format::block, w += format::bytes) {
    const float d = half_at(w + format::scale_at);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const codes_32 codes = load_codes<format>(w, i);
      for (int j = 0; j < 2; ++j) {
        const float scale = d * static_cast<float>(format::run_scale(w, 2 * i + j));
        scale_16(codes.c[j], scale, 0.0f, out + k + 32 * i + 16 * j);
      }
    }
  }
}

template <>
inline void embed_row<dense_q4_k>(const std::uint8_t* w, std::int64_t K, float* out) {
  using format = dense_q4_k;
  for (std::int64_t k = 0; k < K; k += format::block, w += format::bytes) {
    const float d = half_at(w), d_min = half_at(w + 2);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const codes_32 codes = load_codes<format>(w, i);
      const float scale = d * static_cast<float>(format::run_scale(w, i));
      const float offset = d_min * static_cast<float>(format::run_min(w, i));
      for (int j = 0; j < 2; ++j) scale_16(codes.c[j], scale, offset, out + k + 32 * i + 16 * j);
    }
  }
}

}  // namespace
}  // namespace bp
