#include "kernels/quantize_activations/arm_neon.hpp"
#include "kernels/quantize_activations/blocks.hpp"

namespace bp {
namespace {

constexpr int block = 256;

// The first of the values whose magnitude has these bits; there is one.
inline float first_of(const float* x, std::uint32_t bits) {
  const uint32x4_t wanted = vdupq_n_u32(bits);
  while (vmaxvq_u32(vceqq_u32(magnitudes(x), wanted)) == 0) x += 4;
  while (magnitude_bits(*x) != bits) ++x;
  return *x;
}

}  // namespace

void quantize_activations_q8_k_arm_neon(const quantize_activations_args& args) {
  const auto scale_of = [](const float* x, auto bits) {
    const float inverse = -127.0f / first_of(x, bits);
    return block_scale{inverse, 1.0f / inverse};
  };
  quantize_blocks<block>(args, scale_of, [](std::int8_t* values, const float* x, float inverse) {
    int32x4_t sums = vdupq_n_s32(0);
    for (int k = 0; k < block; k += 16)
      sums = store_values(values + k, round_16(x + k, inverse), sums);
    return vaddvq_s32(sums);
  });
}

}  // namespace bp
