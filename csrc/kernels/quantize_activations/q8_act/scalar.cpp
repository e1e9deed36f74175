#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {

void quantize_activations_q8_act_scalar(const quantize_activations_args& args) {
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* x = static_cast<const float*>(args.x) + m * args.K;
    std::int8_t* values = args.values + m * args.K;
    float amax = least_amax;
    bool finite = true;
    for (std::int64_t k = 0; k < args.K; ++k) {
      const float magnitude = __builtin_fabsf(x[k]);
      finite &= magnitude <= __FLT_MAX__;  // false for NaN too
      if (magnitude > amax) amax = magnitude;
    }
    args.scale[m] = finite ? 127.0f / amax : 0.0f;
    if (!finite) continue;
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < args.K; ++k) {
      const long rounded = __builtin_lrintf(x[k] * args.scale[m]);  // ties to even
      values[k] = static_cast<std::int8_t>(rounded);
      sum += static_cast<std::int32_t>(rounded);
    }
    args.sum[m] = sum;
  }
}

}  // namespace bp
