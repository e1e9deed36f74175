// NEON parts of activation quantization.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace bp {
namespace {

constexpr std::uint32_t infinity_bits = 0x7f800000;

inline uint32x4_t magnitudes(const float* x) {
  return vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x)));
}

inline std::uint32_t magnitude_bits(float x) {
  return __builtin_bit_cast(std::uint32_t, __builtin_fabsf(x));
}

// The largest |x| of `count` values, a multiple of 16, as bits: magnitudes order like
// integers, infinity and NaN above all numbers.
inline std::uint32_t largest_magnitude(const float* x, std::int64_t count) {
  uint32x4_t most[4];
  for (auto& v : most) v = vdupq_n_u32(0);
  for (std::int64_t k = 0; k < count; k += 16) {
    for (int i = 0; i < 4; ++i) most[i] = vmaxq_u32(most[i], magnitudes(x + k + 4 * i));
  }
  return vmaxvq_u32(vmaxq_u32(vmaxq_u32(most[0], most[1]), vmaxq_u32(most[2], most[3])));
}

// Four times four int32 in -128 .. 127 to bytes, in order.
inline int8x16_t to_bytes(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d) {
  const int16x8_t low = vcombine_s16(vmovn_s32(a), vmovn_s32(b));
  const int16x8_t high = vcombine_s16(vmovn_s32(c), vmovn_s32(d));
  return vcombine_s8(vmovn_s16(low), vmovn_s16(high));
}

// x * s of 16 values, which is within -128 .. 127, rounded half to even.
inline int8x16_t round_16(const float* x, float s) {
  return to_bytes(vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), s)),
                  vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4), s)),
                  vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 8), s)),
                  vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 12), s)));
}

// Writes 16 values; returns `sums` with their sums added.
inline int32x4_t store_values(std::int8_t* values, int8x16_t bytes, int32x4_t sums) {
  vst1q_s8(values, bytes);
  return vpadalq_s16(sums, vpaddlq_s8(bytes));
}

}  // namespace
}  // namespace bp
