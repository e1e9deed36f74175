#include "kernels/quantize_activations/x86_avx2.hpp"
#include "kernels/quantize_activations/blocks.hpp"

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
  const auto scale_of = [](const float*, std::int32_t bits) {
    const float d = __builtin_bit_cast(float, bits) / 127.0f;
    const __m128i half = _mm_cvtps_ph(_mm_set_ss(d), _MM_FROUND_TO_NEAREST_INT);
    return block_scale{1.0f / d, _mm_cvtss_f32(_mm_cvtph_ps(half))};
  };
  quantize_blocks<block>(args, scale_of, [](std::int8_t* values, const float* x, float inverse) {
    const __m256 scale = _mm256_set1_ps(inverse);
    const __m256i bytes = to_bytes(round_away(x, scale), round_away(x + 8, scale),
                                   round_away(x + 16, scale), round_away(x + 24, scale));
    return sum_lanes(store_values(values, bytes, _mm256_setzero_si256()));
  });
}

}  // namespace bp
