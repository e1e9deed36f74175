// NEON: what kernels/softmax/four.hpp asks for. For ISA files: everything is in an anonymous
// namespace, so no copy of it can leak to another ISA.
#pragma once

#include <arm_neon.h>

namespace bp {
namespace {

struct four {
  float64x2_t low, high;
};

inline four operator+(four a, four b) {
  return {vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)};
}

inline four operator-(four a, four b) {
  return {vsubq_f64(a.low, b.low), vsubq_f64(a.high, b.high)};
}

inline four operator*(four a, four b) {
  return {vmulq_f64(a.low, b.low), vmulq_f64(a.high, b.high)};
}

inline four operator/(four a, four b) {
  return {vdivq_f64(a.low, b.low), vdivq_f64(a.high, b.high)};
}

inline four load_four(const float* p) {
  const float32x4_t x = vld1q_f32(p);
  return {vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)};
}

inline void store_four(double* p, four v) {
  vst1q_f64(p, v.low);
  vst1q_f64(p + 2, v.high);
}

inline four all_four(double value) {
  return {vdupq_n_f64(value), vdupq_n_f64(value)};
}

inline four fused(four a, four b, four c) {
  return {vfmaq_f64(c.low, a.low, b.low), vfmaq_f64(c.high, a.high, b.high)};
}

inline four larger(four a, four b) {
  return {vmaxq_f64(a.low, b.low), vmaxq_f64(a.high, b.high)};
}

inline four smaller(four a, four b) {
  return {vminq_f64(a.low, b.low), vminq_f64(a.high, b.high)};
}

inline float64x2_t power_of_two(float64x2_t v) {
  const int64x2_t bias = vdupq_n_s64(1023LL << 52);
  return vreinterpretq_f64_s64(vaddq_s64(vshlq_n_s64(vreinterpretq_s64_f64(v), 52), bias));
}

inline four power_of_two(four v) {
  return {power_of_two(v.low), power_of_two(v.high)};
}

}  // namespace
}  // namespace bp
