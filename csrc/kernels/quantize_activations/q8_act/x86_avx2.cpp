#include "kernels/quantize_activations/x86_avx2.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {

void quantize_activations_q8_act_x86_avx2(const quantize_activations_args& args) {
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* x = static_cast<const float*>(args.x) + m * args.K;
    std::int8_t* values = args.values + m * args.K;
    const std::int32_t bits = largest_magnitude(x, args.K);
    args.scale[m] = 0.0f;
    if (bits >= infinity_bits) continue;
    float amax;
    __builtin_memcpy(&amax, &bits, sizeof amax);
    const float s = 127.0f / (amax > least_amax ? amax : least_amax);
    args.scale[m] = s;
    const __m256 scale = _mm256_set1_ps(s);
    __m256i wide = _mm256_setzero_si256();
    std::int64_t k = 0;
    for (; k + 32 <= args.K; k += 32) wide = store_values(values + k, round_32(x + k, scale), wide);
    std::int32_t sum = sum_lanes(wide);
    for (; k < args.K; ++k) {
      const std::int32_t rounded = _mm_cvtss_si32(_mm_set_ss(x[k] * s));
      values[k] = static_cast<std::int8_t>(rounded);
      sum += rounded;
    }
    args.sum[m] = sum;
  }
}

}  // namespace bp
