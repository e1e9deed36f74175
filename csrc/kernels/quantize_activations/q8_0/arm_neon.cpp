#include "kernels/quantize_activations/arm_neon.hpp"
#include "kernels/half.hpp"
#include "kernels/quantize_activations/blocks.hpp"

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
  const auto scale_of = [](const float*, std::uint32_t bits) {
    const float d = __builtin_bit_cast(float, bits) / 127.0f;
    return block_scale{1.0f / d, rounded_to_half(d)};
  };
  quantize_blocks<block>(args, scale_of, [](std::int8_t* values, const float* x, float inverse) {
    const int32x4_t sums = store_values(values, round_away(x, inverse), vdupq_n_s32(0));
    return vaddvq_s32(store_values(values + 16, round_away(x + 16, inverse), sums));
  });
}

}  // namespace bp
