#include "kernels/quantize_activations/arm_neon.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {

void quantize_activations_q8_act_arm_neon(const quantize_activations_args& args) {
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* x = static_cast<const float*>(args.x) + m * args.K;
    std::int8_t* values = args.values + m * args.K;
    const std::int64_t whole = args.K / 16 * 16;
    std::uint32_t bits = largest_magnitude(x, whole);
    for (std::int64_t k = whole; k < args.K; ++k) {
      const std::uint32_t other = magnitude_bits(x[k]);
      bits = other > bits ? other : bits;
    }
    args.scale[m] = 0.0f;
    if (bits >= infinity_bits) continue;
    const auto amax = __builtin_bit_cast(float, bits);
    const float s = 127.0f / (amax > least_amax ? amax : least_amax);
    args.scale[m] = s;
    int32x4_t sums = vdupq_n_s32(0);
    for (std::int64_t k = 0; k < whole; k += 16)
      sums = store_values(values + k, round_16(x + k, s), sums);
    std::int32_t sum = vaddvq_s32(sums);
    for (std::int64_t k = whole; k < args.K; ++k) {
      const std::int32_t rounded = vcvtns_s32_f32(x[k] * s);
      values[k] = static_cast<std::int8_t>(rounded);
      sum += rounded;
    }
    args.sum[m] = sum;
  }
}

}  // namespace bp
