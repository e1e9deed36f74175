#include "kernels/rope/lanes.hpp"

namespace bp {
namespace {

// Pairs (2i, 2i + 1), which a load of two interleaved vectors takes apart.
inline void turn_neighbours(float* x, const float* cos, const float* sin, std::int64_t half) {
  std::int64_t i = 0;
  for (; i + 4 <= half; i += 4) {
    const float32x4_t c = vld1q_f32(cos + i), s = vld1q_f32(sin + i);
    const float32x4x2_t x2 = vld2q_f32(x + 2 * i);
    const float32x4_t a = x2.val[0], b = x2.val[1];
    vst2q_f32(x + 2 * i, {{vsubq_f32(vmulq_f32(a, c), vmulq_f32(b, s)),
                           vaddq_f32(vmulq_f32(a, s), vmulq_f32(b, c))}});
  }
  for (; i < half; ++i) turn(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
}

}  // namespace

void rope_f32_arm_neon(const rope_args& args) {
  rope_in_lanes<&turn_neighbours>(args);
}

}  // namespace bp
