#include "kernels/quantize_activations/x86_avx2.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

constexpr int block = 32;

// x * s rounded to int32, halves away from zero: the largest float below a half is added, so that
// no number below a half is lifted to one.
inline __m256i round_away(const float* x, __m256 s) {
  const __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x), s), sign = _mm256_set1_ps(-0.0f);
  const __m256 half = _mm256_or_ps(_mm256_and_ps(v, sign), _mm256_set1_ps(0x1.fffffep-2f));
  return _mm256_cvttps_epi32(_mm256_add_ps(v, half));
}

}  // namespace

void quantize_activations_q8_0_x86_avx2(const quantize_activations_args& args) {
  const std::int64_t blocks = args.K / block;
  for (std::int64_t b = args.row_begin * blocks; b < args.row_end * blocks; ++b) {
    const float* x = static_cast<const float*>(args.x) + b * block;
    std::int8_t* values = args.values + b * block;
    const std::int32_t bits = largest_magnitude(x, block);
    const bool finite = bits < infinity_bits;
    float amax;
    __builtin_memcpy(&amax, &bits, sizeof amax);
    const float d = amax / 127.0f, inverse = 1.0f / d;
    if (!finite || inverse > __FLT_MAX__) {
      args.scale[b] = finite ? 0.0f : __builtin_nanf("");
      args.sum[b] = 0;
      __builtin_memset(values, 0, block);
      continue;
    }
    const __m128i half = _mm_cvtps_ph(_mm_set_ss(d), _MM_FROUND_TO_NEAREST_INT);
    args.scale[b] = _mm_cvtss_f32(_mm_cvtph_ps(half));
    const __m256 scale = _mm256_set1_ps(inverse);
    const __m256i bytes = to_bytes(round_away(x, scale), round_away(x + 8, scale),
                                   round_away(x + 16, scale), round_away(x + 24, scale));
    args.sum[b] = sum_lanes(store_values(values, bytes, _mm256_setzero_si256()));
  }
}

}  // namespace bp
