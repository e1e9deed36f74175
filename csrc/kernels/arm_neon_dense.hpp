// NEON parts that the kernels of embeddings and LM heads share: bytes to weights and codes.
#pragma once

#include "kernels/arm_neon_float.hpp"
#include "kernels/dense.hpp"

namespace bp {
namespace {

// The float16 at p.
inline float half_at(const std::uint8_t* p) {
  __fp16 half;
  __builtin_memcpy(&half, p, sizeof half);
  return half;
}

// Eight float16, `stride` bytes apart.
template <int stride>
inline eight eight_halves(const std::uint8_t* p) {
  std::uint8_t bytes[16];
  for (int i = 0; i < 8; ++i) __builtin_memcpy(bytes + 2 * i, p + i * stride, 2);
  return load_halves(bytes);
}

// The integers of 32 weights, in order.
struct codes_32 {
  int8x16_t c[2];
};

inline codes_32 as_signed(uint8x16_t a, uint8x16_t b) {
  return {{vreinterpretq_s8_u8(a), vreinterpretq_s8_u8(b)}};
}

// The low or the high nibbles of 32 bytes.
inline codes_32 nibbles(const std::uint8_t* p, bool high) {
  const uint8x16_t a = load_bytes(p), b = load_bytes(p + 16), mask = vdupq_n_u8(15);
  return high ? as_signed(vshrq_n_u8(a, 4), vshrq_n_u8(b, 4))
              : as_signed(vandq_u8(a, mask), vandq_u8(b, mask));
}

// Weights 32 i .. 32 i + 31 of a block.
template <class Format>
inline codes_32 load_codes(const std::uint8_t* w, int i);

template <>
inline codes_32 load_codes<dense_q8_0>(const std::uint8_t* w, int) {
  return as_signed(load_bytes(w + 2), load_bytes(w + 18));
}

template <>
inline codes_32 load_codes<dense_q4_0>(const std::uint8_t* w, int) {
  const uint8x16_t bytes = load_bytes(w + 2), mask = vdupq_n_u8(15), offset = vdupq_n_u8(8);
  return as_signed(vsubq_u8(vandq_u8(bytes, mask), offset), vsubq_u8(vshrq_n_u8(bytes, 4), offset));
}

template <>
inline codes_32 load_codes<dense_q4_k>(const std::uint8_t* w, int i) {
  return nibbles(w + dense_q4_k::codes_at + i / 2 * 32, i % 2 != 0);
}

// Bits 2 part, 2 part + 1 of every byte at bits 4, 5.
inline uint8x16_t two_bits(uint8x16_t v, int part) {
  const uint8x16_t at_four = part == 0   ? vshlq_n_u8(v, 4)
                             : part == 1 ? vshlq_n_u8(v, 2)
                             : part == 2 ? v
                                         : vshrq_n_u8(v, 2);
  return vandq_u8(at_four, vdupq_n_u8(48));
}

template <>
inline codes_32 load_codes<dense_q6_k>(const std::uint8_t* w, int i) {
  const int run = i / 4, part = i % 4;  // of 128 weights, of 32 in it
  const std::uint8_t* high = w + dense_q6_k::high_at + 32 * run;
  const codes_32 low = nibbles(w + 64 * run + part % 2 * 32, part >= 2);
  codes_32 out;
  for (int j = 0; j < 2; ++j) {
    const uint8x16_t top = two_bits(load_bytes(high + 16 * j), part);
    const uint8x16_t six = vorrq_u8(vreinterpretq_u8_s8(low.c[j]), top);
    out.c[j] = vreinterpretq_s8_u8(vsubq_u8(six, vdupq_n_u8(32)));
  }
  return out;
}

}  // namespace
}  // namespace bp
