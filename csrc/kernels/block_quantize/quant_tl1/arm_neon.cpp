#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct steps : threshold_steps<quant_tl1_rule> {
  using threshold_steps::threshold_steps;
  int32x4_t lanes(float32x4_t x) const {
    return vaddq_s32(threshold_steps::lanes(x), mask_of(vceqq_f32(x, x)));
  }
};

}  // namespace

void block_quantize_quant_tl1_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<quant_tl1, steps>(args);
}

}  // namespace bp
