#include "kernels/arm_neon_float.hpp"

#include "kernels/rope/rope.hpp"

namespace bp {
namespace {

// One pair: the same roundings as four or eight at a time.
inline void turn(float* a, float* b, float c, float s) {
  const float x = *a, y = *b;
  *a = x * c - y * s;
  *b = x * s + y * c;
}

// Pairs (i, i + half).
inline void turn_halves(float* x, const float* cos, const float* sin, std::int64_t half) {
  std::int64_t i = 0;
  for (; i + 8 <= half; i += 8) {
    const eight c = load_eight(cos + i), s = load_eight(sin + i);
    const eight a = load_eight(x + i), b = load_eight(x + half + i);
    store_eight(x + i, a * c - b * s);
    store_eight(x + half + i, a * s + b * c);
  }
  for (; i < half; ++i) turn(x + i, x + half + i, cos[i], sin[i]);
}

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
  const std::int64_t half = args.rope_dim / 2;
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    for (std::int64_t h = 0; h < args.heads; ++h) {
      float* x = args.x + m * args.row_stride + h * args.head_dim;
      auto* const turn_all = args.interleaved ? &turn_neighbours : &turn_halves;
      turn_all(x, args.cos + m * half, args.sin + m * half, half);
    }
  }
}

}  // namespace bp
