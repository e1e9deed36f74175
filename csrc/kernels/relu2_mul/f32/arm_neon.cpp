#include <arm_neon.h>

#include "kernels/relu2_mul/relu2_mul.hpp"

namespace bp {
namespace {

// The bits of a gate that is above 0, else none: 0 for NaN.
inline float32x4_t gated(float32x4_t gate, float32x4_t up) {
  const uint32x4_t kept = vandq_u32(vreinterpretq_u32_f32(gate), vcgtzq_f32(gate));
  const float32x4_t r = vreinterpretq_f32_u32(kept);
  return vmulq_f32(vmulq_f32(r, r), up);
}

}  // namespace

void relu2_mul_f32_arm_neon(const relu2_mul_args& args) {
  std::int64_t i = args.begin;
  for (; i + 4 <= args.end; i += 4)
    vst1q_f32(args.out + i, gated(vld1q_f32(args.gate + i), vld1q_f32(args.up + i)));
  for (; i < args.end; ++i) {
    const float r = args.gate[i] > 0.0f ? args.gate[i] : 0.0f;
    args.out[i] = r * r * args.up[i];
  }
}

}  // namespace bp
