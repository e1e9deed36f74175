#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

// +1, 0, -1 by sign, a half included: codes 3, 2, 1. NaN takes no step: code 2.
struct steps : sign_steps<quant_i2s_rule> {
  using sign_steps::sign_steps;
  int32x4_t lanes(float32x4_t x) const {
    const float32x4_t twice = vaddq_f32(x, x);
    return vsubq_s32(mask_of(vcleq_f32(twice, low)), mask_of(vcgeq_f32(twice, high)));
  }
  static int8x16_t codes(int8x16_t signs) { return vaddq_s8(signs, vdupq_n_s8(2)); }
};

}  // namespace

void block_quantize_quant_i2s_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<quant_i2s, steps>(args);
}

}  // namespace bp
