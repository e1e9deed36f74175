// Products of unsigned codes (0, 1, 2 and multiples of them) and signed activations, 16 at a time,
// by what the ISA of a file has for them: dot products into int32, or long multiplications into
// int16. For ISA files: everything is in an anonymous namespace.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace bp {
namespace {

inline uint8x16_t load(const std::uint8_t* w) {
  return vld1q_u8(w);
}

inline int8x16_t load(const std::int8_t* q) {
  return vld1q_s8(q);
}

inline void prefetch(const void* p) {
  __builtin_prefetch(p);
}

// What stands behind it is not loaded before it; keep_order, of a `partial` below, holds back only
// what is loaded from w behind it, until that sum is there. Left alone, GCC 12 loads far ahead,
// runs out of registers and keeps sums in memory.
inline void load_no_further() {
  asm volatile("" ::: "memory");
}

#if defined(__ARM_FEATURE_DOTPROD)

// Lane i: the products of bytes 4 i .. 4 i + 3.
struct partial {
  int32x4_t sum = vdupq_n_s32(0);
};

inline void keep_order(const std::uint8_t*& w, partial& from) {
  asm volatile("" : "+r"(w), "+w"(from.sum));
}

inline void add(partial& to, uint8x16_t codes, int8x16_t q) {
  to.sum = vdotq_s32(to.sum, vreinterpretq_s8_u8(codes), q);
}

// Every four codes against the activations 4 j .. 4 j + 3.
template <int j>
inline void add_quad(partial& to, uint8x16_t codes, int8x16_t q) {
  to.sum = vdotq_laneq_s32(to.sum, vreinterpretq_s8_u8(codes), q, j);
}

// Four sums that together are all of it.
inline int32x4_t widened(const partial& from) {
  return from.sum;
}

// The sums of every four codes.
inline int32x4_t by_quads(const partial& from) {
  return from.sum;
}

#else

// low: bytes 0 .. 7, high: bytes 8 .. 15.
struct partial {
  int16x8_t low = vdupq_n_s16(0), high = vdupq_n_s16(0);
};

inline void keep_order(const std::uint8_t*& w, partial& from) {
  asm volatile("" : "+r"(w), "+w"(from.low));
}

inline void add(partial& to, uint8x16_t codes, int8x16_t q) {
  const int8x16_t c = vreinterpretq_s8_u8(codes);
  to.low = vmlal_s8(to.low, vget_low_s8(c), vget_low_s8(q));
  to.high = vmlal_high_s8(to.high, c, q);
}

template <int j>
inline void add_quad(partial& to, uint8x16_t codes, int8x16_t q) {
  add(to, codes, vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(q), j)));
}

inline int32x4_t widened(const partial& from) {
  return vpadalq_s16(vpaddlq_s16(from.low), from.high);
}

// low: pairs 01 23 | 45 67, high: 89 .. of words      quads 0-3, 4-7 | 8-11, 12-15
inline int32x4_t by_quads(const partial& from) {
  return vpaddq_s32(vpaddlq_s16(from.low), vpaddlq_s16(from.high));
}

#endif

}  // namespace
}  // namespace bp
