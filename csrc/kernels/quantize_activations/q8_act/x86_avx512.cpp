#include "kernels/quantize_activations/x86_avx512.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

// The first `count` of 16 values, as store_64() does.
inline __m512i store_part(std::int8_t* values, const float* x, std::int64_t count, __m512 s,
                          __m512i wide) {
  const __mmask16 mask = first_lanes(count);
  const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x), s));
  _mm512_mask_cvtsepi32_storeu_epi8(values, mask, rounded);
  return _mm512_add_epi32(wide, rounded);
}

}  // namespace

void quantize_activations_q8_act_x86_avx512(const quantize_activations_args& args) {
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* x = static_cast<const float*>(args.x) + m * args.K;
    std::int8_t* values = args.values + m * args.K;
    const std::int32_t bits = largest_magnitude(x, args.K);
    args.scale[m] = 0.0f;
    if (bits >= infinity_bits) continue;
    const float amax = __builtin_bit_cast(float, bits);
    const float s = 127.0f / (amax > least_amax ? amax : least_amax);
    args.scale[m] = s;
    const __m512 scale = _mm512_set1_ps(s);
    __m512i wide = _mm512_setzero_si512();
    std::int64_t k = 0;
    for (; k + 64 <= args.K; k += 64) wide = store_64(values + k, x + k, scale, wide);
    for (; k < args.K; k += 16)
      wide = store_part(values + k, x + k, args.K - k < 16 ? args.K - k : 16, scale, wide);
    args.sum[m] = _mm512_reduce_add_epi32(wide);
  }
}

}  // namespace bp
