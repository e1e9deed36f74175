// NEON parts that the float kernels share: what kernels/eight.hpp asks for, in pairs of vectors, so
// that the 32 registers hold as many as the 16 of AVX2. For ISA files: everything is in an
// anonymous namespace, so no copy of it can leak to another ISA.
#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace bp {
namespace {

struct eight {
  float32x4_t low, high;
};

inline eight operator+(eight a, eight b) {
  return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)};
}

inline eight operator-(eight a, eight b) {
  return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)};
}

inline eight operator*(eight a, eight b) {
  return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)};
}

inline eight operator/(eight a, eight b) {
  return {vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)};
}

// Sixteen bytes at any address.
inline uint8x16_t load_bytes(const void* p) {
  return vld1q_u8(static_cast<const std::uint8_t*>(p));
}

inline eight load_eight(const void* p) {
  const auto* bytes = static_cast<const std::uint8_t*>(p);
  return {vreinterpretq_f32_u8(load_bytes(bytes)), vreinterpretq_f32_u8(load_bytes(bytes + 16))};
}

inline eight load_halves(const void* p) {
  const float16x8_t halves = vreinterpretq_f16_u8(load_bytes(p));
  return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

inline eight load_brains(const void* p) {
  const uint16x8_t words = vreinterpretq_u16_u8(load_bytes(p));
  return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(words), 16)),
          vreinterpretq_f32_u32(vshll_high_n_u16(words, 16))};
}

inline void store_eight(float* p, eight v) {
  vst1q_f32(p, v.low);
  vst1q_f32(p + 4, v.high);
}

inline void store_halves(void* p, eight v) {
  vst1q_u8(static_cast<std::uint8_t*>(p),
           vreinterpretq_u8_f16(vcombine_f16(vcvt_f16_f32(v.low), vcvt_f16_f32(v.high))));
}

inline eight all_eight(float value) {
  return {vdupq_n_f32(value), vdupq_n_f32(value)};
}

inline eight all_like(eight, float value) {
  return all_eight(value);
}

inline float32x4_t first_or(float32x4_t v, std::int64_t count, float value) {
  constexpr std::int32_t numbers[4] = {0, 1, 2, 3};
  const uint32x4_t kept =
      vcltq_s32(vld1q_s32(numbers), vdupq_n_s32(static_cast<std::int32_t>(count)));
  return vbslq_f32(kept, v, vdupq_n_f32(value));
}

inline eight first_or(eight v, std::int64_t count, float value) {
  return {first_or(v.low, count, value), first_or(v.high, count - 4, value)};
}

inline eight fused(eight a, eight b, eight c) {
  return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}

inline eight larger(eight a, eight b) {
  return {vmaxq_f32(a.low, b.low), vmaxq_f32(a.high, b.high)};
}

inline eight smaller(eight a, eight b) {
  return {vminq_f32(a.low, b.low), vminq_f32(a.high, b.high)};
}

inline eight whole(eight v) {
  return {vrndnq_f32(v.low), vrndnq_f32(v.high)};
}

inline eight as_halves(eight v) {
  return {vcvt_f32_f16(vcvt_f16_f32(v.low)), vcvt_f32_f16(vcvt_f16_f32(v.high))};
}

inline float32x4_t times_power(float32x4_t v, float32x4_t n) {
  const int32x4_t all = vcvtq_s32_f32(n), half = vshrq_n_s32(all, 1), bias = vdupq_n_s32(127);
  const int32x4_t low = vshlq_n_s32(vaddq_s32(half, bias), 23);
  const int32x4_t high = vshlq_n_s32(vaddq_s32(vsubq_s32(all, half), bias), 23);
  return vmulq_f32(vmulq_f32(v, vreinterpretq_f32_s32(low)), vreinterpretq_f32_s32(high));
}

inline eight times_power(eight v, eight n) {
  return {times_power(v.low, n.low), times_power(v.high, n.high)};
}

inline float sum_lanes(eight v) {
  const float32x4_t s = vaddq_f32(v.low, v.high);
  const float32x2_t pair = vadd_f32(vget_low_f32(s), vget_high_f32(s));  // 0 + 2, 1 + 3
  return vget_lane_f32(pair, 0) + vget_lane_f32(pair, 1);
}

inline float max_lanes(eight v) {
  return vmaxvq_f32(vmaxq_f32(v.low, v.high));
}

//   low + high     a04 a15 a26 a37      and b, c, d likewise
//   pairs          a0145 a2367 b0145 b2367      c, d likewise
//   pairs          a b c d
inline void store_sums(float* p, const eight* v, float scale) {
  const float32x4_t a = vaddq_f32(v[0].low, v[0].high), b = vaddq_f32(v[1].low, v[1].high);
  const float32x4_t c = vaddq_f32(v[2].low, v[2].high), d = vaddq_f32(v[3].low, v[3].high);
  vst1q_f32(p, vmulq_n_f32(vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)), scale));
}

}  // namespace
}  // namespace bp
