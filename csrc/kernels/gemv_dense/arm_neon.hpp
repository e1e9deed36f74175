// NEON rows of the dense products of formats with int8 activations. Codes are signed, so that no
// offset is taken off a sum.
#pragma once

#include "kernels/arm_neon_dense.hpp"
#include "kernels/gemv_dense/eight.hpp"

namespace bp {
namespace {

// Products of 16 codes, lane l those of l and 8 + l: at most 2 * 128 * 127 = 32512 in magnitude.
inline int16x8_t products_16(int8x16_t codes, const std::int8_t* q) {
  const int8x16_t x = vld1q_s8(q);
  return vmlal_high_s8(vmull_s8(vget_low_s8(codes), vget_low_s8(x)), codes, x);
}

// Sums of the products of 64 codes of at most 32 in magnitude, at most 8 * 32 * 127 = 32512:
//   products    a a a a a a a a  ...      one vector of 16 weights each
//   pairs       a a a a b b b b      c c c c d d d d
//   pairs       a a b b c c d d
inline int16x8_t products_64(const codes_32& first, const codes_32& second, const std::int8_t* q) {
  const int16x8_t a = products_16(first.c[0], q), b = products_16(first.c[1], q + 16);
  const int16x8_t c = products_16(second.c[0], q + 32), d = products_16(second.c[1], q + 48);
  return vpaddq_s16(vpaddq_s16(a, b), vpaddq_s16(c, d));
}

// sc of a block in the order of products_64: of weights 64 i .. 64 i + 63 in v[i].
struct block_scales {
  int16x8_t v[4];
};

// a a b b c c d d | e e f f g g h h
inline int16x8x2_t twice(int16x8_t words) {
  return vzipq_s16(words, words);
}

template <class Format>
inline block_scales load_scales(const std::uint8_t* w);

template <>
inline block_scales load_scales<dense_q6_k>(const std::uint8_t* w) {
  const int8x16_t bytes = vreinterpretq_s8_u8(load_bytes(w + dense_q6_k::scales_at));
  const int16x8x2_t low = twice(vmovl_s8(vget_low_s8(bytes)));
  const int16x8x2_t high = twice(vmovl_high_s8(bytes));
  return {{low.val[0], low.val[1], high.val[0], high.val[1]}};
}

inline int16x8_t words_of(std::uint64_t bytes) {
  return vreinterpretq_s16_u16(vmovl_u8(vcreate_u8(bytes)));
}

template <>
inline block_scales load_scales<dense_q4_k>(const std::uint8_t* w) {
  const int16x8x2_t pairs = twice(words_of(dense_q4_k::unpack(w).scale));
  const int16x8x2_t low = twice(pairs.val[0]), high = twice(pairs.val[1]);
  return {{low.val[0], low.val[1], high.val[0], high.val[1]}};
}

// d of a block.
template <class Format>
inline float block_scale(const std::uint8_t* w);

template <>
inline float block_scale<dense_q6_k>(const std::uint8_t* w) {
  return half_at(w + dense_q6_k::scale_at);
}

template <>
inline float block_scale<dense_q4_k>(const std::uint8_t* w) {
  return half_at(w);
}

// What the minima of a q4_k block take off, before d_x: their sum by those of the activations.
inline std::int32_t sum_of_mins(const std::uint8_t* w, const std::int16_t* q_sum) {
  const int16x8_t min = words_of(dense_q4_k::unpack(w).min), sums = vld1q_s16(q_sum);
  return vaddvq_s32(vmlal_high_s16(vmull_s16(vget_low_s16(min), vget_low_s16(sums)), min, sums));
}

// For several tokens, everything up to `sum` comes before what follows: left alone, GCC 12 computes
// the products of all tokens first and runs out of registers.
template <int tokens>
inline void keep_order(int32x4_t& sum) {
  if (tokens > 1) asm volatile("" : "+w"(sum));
}

// Row n against T tokens from token m on: q6_k, q4_k.
template <class Format, int T>
inline void block_row(const dense_args& args, std::int64_t n, std::int64_t m) {
  constexpr bool has_min = Format::bytes == dense_q4_k::bytes;
  const std::int64_t K = args.K, blocks = K / Format::block;
  const std::uint8_t* w = args.w + n * blocks * Format::bytes;
  const std::int8_t* q = args.q + m * K;
  float total[T] = {};
  for (std::int64_t b = 0; b < blocks; ++b, w += Format::bytes, q += Format::block) {
    for (int line = 0; line < Format::bytes; line += 64) args.ahead.ask(w + line);
    const block_scales scales = load_scales<Format>(w);
    int32x4_t sum[T];
    for (auto& v : sum) v = vdupq_n_s32(0);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const codes_32 first = load_codes<Format>(w, 2 * i);
      const codes_32 second = load_codes<Format>(w, 2 * i + 1);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const int16x8_t p = products_64(first, second, q + t * K + 64 * i);
        sum[t] = vmlal_s16(sum[t], vget_low_s16(p), vget_low_s16(scales.v[i]));
        sum[t] = vmlal_high_s16(sum[t], p, scales.v[i]);
        keep_order<T>(sum[t]);
      }
    }
    for (int t = 0; t < T; ++t) {
      const float d_x = args.q_scale[(m + t) * blocks + b];
      total[t] += block_scale<Format>(w) * d_x * static_cast<float>(vaddvq_s32(sum[t]));
      if constexpr (has_min) {
        const std::int32_t min = sum_of_mins(w, args.q_sum + ((m + t) * blocks + b) * 8);
        total[t] -= half_at(w + 2) * d_x * static_cast<float>(min);
      }
    }
  }
  for (int t = 0; t < T; ++t) args.out[(m + t) * args.N + n] = total[t];
}

template <class Format>
inline void block_rows(const dense_args& args) {
  walk<4>(args, [&](auto count, std::int64_t n, std::int64_t m) {
    block_row<Format, decltype(count)::value>(args, n, m);
  });
}

// The products of one block of 32 as four int32.
template <class Format>
inline int32x4_t products_32(const std::uint8_t* w, const std::int8_t* q) {
  const codes_32 codes = load_codes<Format>(w, 0);
  const int32x4_t first = vpaddlq_s16(products_16(codes.c[0], q));
  return vpadalq_s16(first, products_16(codes.c[1], q + 16));
}

// The sums of four vectors, in order, as float32.
template <class Dot>
inline float32x4_t four_sums(Dot dot, int i) {
  return vcvtq_f32_s32(
      vpaddq_s32(vpaddq_s32(dot(i), dot(i + 1)), vpaddq_s32(dot(i + 2), dot(i + 3))));
}

// Row n against token m: q8_0, q4_0, eight blocks at a time, one in each lane.
template <class Format>
inline void lanes_row(const dense_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t blocks = args.K / Format::block;
  const std::uint8_t* w = args.w + n * blocks * Format::bytes;
  const std::int8_t* q = args.q + m * args.K;
  const float* d_x = args.q_scale + m * blocks;
  eight lanes = all_eight(0.0f);
  std::int64_t b = 0;
  for (; b + 8 <= blocks; b += 8, w += 8 * Format::bytes, q += 8 * Format::block) {
    for (int line = 0; line < 8 * Format::bytes; line += 64) args.ahead.ask(w + line);
    const auto dot = [w, q](int i) {
      return products_32<Format>(w + i * Format::bytes, q + i * Format::block);
    };
    const eight sums{four_sums(dot, 0), four_sums(dot, 4)};
    lanes = lanes + eight_halves<Format::bytes>(w) * load_eight(d_x + b) * sums;
  }
  float lane[8];
  store_eight(lane, lanes);
  for (int i = 0; b < blocks; ++i, ++b, w += Format::bytes, q += Format::block)
    lane[i] += half_at(w) * d_x[b] * static_cast<float>(vaddvq_s32(products_32<Format>(w, q)));
  args.out[m * args.N + n] = sum_lanes(load_eight(lane));
}

template <class Format>
inline void lanes_rows(const dense_args& args) {
  walk<1>(args, [&](auto, std::int64_t n, std::int64_t m) { lanes_row<Format>(args, n, m); });
}

}  // namespace
}  // namespace bp
