#include "kernels/quantize_activations/arm_neon.hpp"
#include "kernels/half.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

constexpr int block = 32;

// x * s of 16 values, rounded to bytes, halves away from zero.
inline int8x16_t round_away(const float* x, float s) {
  return to_bytes(vcvtaq_s32_f32(vmulq_n_f32(vld1q_f32(x), s)),
                  vcvtaq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4), s)),
                  vcvtaq_s32_f32(vmulq_n_f32(vld1q_f32(x + 8), s)),
                  vcvtaq_s32_f32(vmulq_n_f32(vld1q_f32(x + 12), s)));
}

}  // namespace

void quantize_activations_q8_0_arm_neon(const quantize_activations_args& args) {
  const std::int64_t blocks = args.K / block;
  for (std::int64_t b = args.row_begin * blocks; b < args.row_end * blocks; ++b) {
    const float* x = static_cast<const float*>(args.x) + b * block;
    std::int8_t* values = args.values + b * block;
    const std::uint32_t bits = largest_magnitude(x, block);
    const bool finite = bits < infinity_bits;
    const float d = __builtin_bit_cast(float, bits) / 127.0f, inverse = 1.0f / d;
    if (!finite || inverse > __FLT_MAX__) {
      args.scale[b] = finite ? 0.0f : __builtin_nanf("");
      args.sum[b] = 0;
      __builtin_memset(values, 0, block);
      continue;
    }
    args.scale[b] = rounded_to_half(d);
    const int32x4_t sums = store_values(values, round_away(x, inverse), vdupq_n_s32(0));
    args.sum[b] = vaddvq_s32(store_values(values + 16, round_away(x + 16, inverse), sums));
  }
}

}  // namespace bp
