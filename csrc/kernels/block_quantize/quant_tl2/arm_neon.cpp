#include "kernels/block_quantize/arm_neon.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct steps : threshold_steps<quant_tl2_rule> {
  using threshold_steps::threshold_steps;
  static int8x16_t codes(int8x16_t reached) { return vsubq_s8(vdupq_n_s8(1), reached); }
};

}  // namespace

void block_quantize_quant_tl2_arm_neon(const block_quantize_args& args) {
  encode_blocks_neon<quant_tl2, steps>(args);
}

}  // namespace bp
