#include "kernels/half.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

constexpr int block = 32;

}  // namespace

void quantize_activations_q8_0_scalar(const quantize_activations_args& args) {
  const std::int64_t blocks = args.K / block;
  for (std::int64_t b = args.row_begin * blocks; b < args.row_end * blocks; ++b) {
    const float* x = static_cast<const float*>(args.x) + b * block;
    std::int8_t* values = args.values + b * block;
    float amax = 0.0f;
    bool finite = true;
    for (int k = 0; k < block; ++k) {
      const float magnitude = __builtin_fabsf(x[k]);
      finite &= magnitude <= __FLT_MAX__;  // false for NaN too
      if (magnitude > amax) amax = magnitude;
    }
    const float d = amax / 127.0f, inverse = 1.0f / d;
    const bool usable = finite && inverse <= __FLT_MAX__;
    args.scale[b] = !finite ? __builtin_nanf("") : usable ? rounded_to_half(d) : 0.0f;
    std::int32_t sum = 0;
    for (int k = 0; k < block; ++k) {
      const auto value = usable ? static_cast<std::int32_t>(__builtin_roundf(x[k] * inverse)) : 0;
      values[k] = static_cast<std::int8_t>(value);
      sum += value;
    }
    args.sum[b] = sum;
  }
}

}  // namespace bp
