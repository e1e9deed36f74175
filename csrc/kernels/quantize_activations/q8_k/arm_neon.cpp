#include "kernels/quantize_activations/arm_neon.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

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
  const std::int64_t blocks = args.K / block;
  for (std::int64_t b = args.row_begin * blocks; b < args.row_end * blocks; ++b) {
    const float* x = static_cast<const float*>(args.x) + b * block;
    std::int8_t* values = args.values + b * block;
    const std::uint32_t bits = largest_magnitude(x, block);
    const bool finite = bits < infinity_bits;
    const float inverse = finite ? -127.0f / first_of(x, bits) : 0.0f;
    if (!finite || __builtin_fabsf(inverse) > __FLT_MAX__) {
      args.scale[b] = finite ? 0.0f : __builtin_nanf("");
      args.sum[b] = 0;
      __builtin_memset(values, 0, block);
      continue;
    }
    args.scale[b] = 1.0f / inverse;
    int32x4_t sums = vdupq_n_s32(0);
    for (int k = 0; k < block; k += 16)
      sums = store_values(values + k, round_16(x + k, inverse), sums);
    args.sum[b] = vaddvq_s32(sums);
  }
}

}  // namespace bp
