#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

constexpr int block = 256;

struct extreme {
  float value;  // the first of the largest magnitude, 0 in a block of zeros
  bool finite;
};

inline extreme find_extreme(const float* x) {
  extreme found{0.0f, true};
  for (int k = 0; k < block; ++k) {
    found.finite &= __builtin_fabsf(x[k]) <= __FLT_MAX__;  // false for NaN too
    if (__builtin_fabsf(x[k]) > __builtin_fabsf(found.value)) found.value = x[k];
  }
  return found;
}

}  // namespace

void quantize_activations_q8_k_scalar(const quantize_activations_args& args) {
  const std::int64_t blocks = args.K / block;
  for (std::int64_t b = args.row_begin * blocks; b < args.row_end * blocks; ++b) {
    const float* x = static_cast<const float*>(args.x) + b * block;
    std::int8_t* values = args.values + b * block;
    const extreme most = find_extreme(x);
    const float inverse = -127.0f / most.value;
    const bool usable = most.finite && __builtin_fabsf(inverse) <= __FLT_MAX__;
    args.scale[b] = !most.finite ? __builtin_nanf("") : usable ? 1.0f / inverse : 0.0f;
    std::int32_t sum = 0;
    for (int k = 0; k < block; ++k) {
      const long rounded = usable ? __builtin_lrintf(inverse * x[k]) : 0;  // ties to even
      const std::int32_t value = rounded < 127 ? static_cast<std::int32_t>(rounded) : 127;
      values[k] = static_cast<std::int8_t>(value);
      sum += value;
    }
    args.sum[b] = sum;
  }
}

}  // namespace bp
