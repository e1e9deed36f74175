#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/families.hpp"

namespace bp {
namespace {

// trunc((x / s + 1) * 7.5) of eight values as int32. |x / s| <= 1 for finite s > 0, so the clamp of
// the crate does nothing; NaN becomes INT_MIN.
inline __m256i level(__m256 x, __m256 s) {
  const __m256 r = _mm256_div_ps(x, s);
  return _mm256_cvttps_epi32(
      _mm256_mul_ps(_mm256_add_ps(r, _mm256_set1_ps(1.0f)), _mm256_set1_ps(7.5f)));
}

}  // namespace

void block_quantize_device_tl1_x86_avx2(const block_quantize_args& args) {
  for (std::int64_t b = args.block_begin; b < args.block_end; ++b) {
    const float* x = args.x + b * 16;
    const float most = args.count - b * 16 < 16 ? 0.0f : absmax_avx2(x, 16);
    if (!(most > 0.0f && most <= largest)) [[unlikely]] {  // also the short block at the end
      encode_blocks<device_tl1>(args, b, b + 1);
      continue;
    }
    args.scales[b] = most;
    const __m256 s = _mm256_set1_ps(most);
    // {0-3 8-11 | 4-7 12-15} in int16, saturated: NaN is negative, and 0 after the next step.
    const __m256i words =
        _mm256_packs_epi32(level(_mm256_loadu_ps(x), s), level(_mm256_loadu_ps(x + 8), s));
    const __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    // {0-3 8-11 4-7 12-15} -> {0-3 4-7 8-11 12-15}
    _mm_storeu_si128(reinterpret_cast<__m128i*>(args.data + b * 16),
                     _mm_shuffle_epi32(bytes, 0xd8));
  }
}

}  // namespace bp
