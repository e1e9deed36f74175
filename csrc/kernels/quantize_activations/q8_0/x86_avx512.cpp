#include "kernels/quantize_activations/x86_avx512.hpp"
#include "kernels/quantize_activations/blocks.hpp"

namespace bp {
namespace {

constexpr int block = 32;

// x * s rounded to int32, halves away from zero: the largest float below a half is added, so that
// no number below a half is lifted to one.
inline __m512i round_away(const float* x, __m512 s) {
  const __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x), s), sign = _mm512_set1_ps(-0.0f);
  const __m512 half = _mm512_or_ps(_mm512_and_ps(v, sign), _mm512_set1_ps(0x1.fffffep-2f));
  return _mm512_cvttps_epi32(_mm512_add_ps(v, half));
}

inline void store_16(std::int8_t* values, __m512i v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(values), _mm512_cvtepi32_epi8(v));
}

}  // namespace

void quantize_activations_q8_0_x86_avx512(const quantize_activations_args& args) {
  const auto scale_of = [](const float*, std::int32_t bits) {
    const float d = __builtin_bit_cast(float, bits) / 127.0f;
    const __m128i half = _mm_cvtps_ph(_mm_set_ss(d), _MM_FROUND_TO_NEAREST_INT);
    return block_scale{1.0f / d, _mm_cvtss_f32(_mm_cvtph_ps(half))};
  };
  quantize_blocks<block>(args, scale_of, [](std::int8_t* values, const float* x, float inverse) {
    const __m512 scale = _mm512_set1_ps(inverse);
    const __m512i low = round_away(x, scale), high = round_away(x + 16, scale);
    store_16(values, low);
    store_16(values + 16, high);
    return _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
  });
}

}  // namespace bp
