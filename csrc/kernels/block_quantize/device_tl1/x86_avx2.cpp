#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

// trunc((x / s + 1) * 7.5) of eight values as int32. NaN becomes INT_MIN.
inline __m256i level(__m256 x, __m256 s) {
  const __m256 r = _mm256_div_ps(x, s);
  return _mm256_cvttps_epi32(
      _mm256_mul_ps(_mm256_add_ps(r, _mm256_set1_ps(1.0f)), _mm256_set1_ps(7.5f)));
}

// {0-3 8-11 | 4-7 12-15} in int16, saturated: NaN is negative, and 0 after the second packing; then
// {0-3 8-11 4-7 12-15} -> {0-3 4-7 8-11 12-15}.
inline __m128i codes16(const float* x, float scale) {
  const __m256 s = _mm256_set1_ps(scale);
  const __m256i words =
      _mm256_packs_epi32(level(_mm256_loadu_ps(x), s), level(_mm256_loadu_ps(x + 8), s));
  const __m128i bytes =
      _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  return _mm_shuffle_epi32(bytes, 0xd8);
}

}  // namespace

// Eight blocks at a time, so that their chains of latencies overlap; the rest (fewer than eight
// blocks, and blocks that are not the crate's 16 values) takes the scalar path.
void block_quantize_device_tl1_x86_avx2(const block_quantize_args& args) {
  if (args.block != 16) return encode_blocks<device_tl1>(args, args.block_begin, args.block_end);
  constexpr std::int64_t group = 8;
  for (std::int64_t b = args.block_begin; b < args.block_end; b += group) {
    const std::int64_t whole = args.count / 16 < args.block_end ? args.count / 16 : args.block_end;
    if (b + group > whole) {
      encode_blocks<device_tl1>(args, b, args.block_end);
      return;
    }
    const float* x = args.x + b * 16;
    float most[group];
    for (std::int64_t j = 0; j < group; ++j) {
      _mm_prefetch(reinterpret_cast<const char*>(x + 16 * j) + prefetch_ahead, _MM_HINT_T0);
      most[j] = absmax_avx2(x + 16 * j, 16);
    }
    for (std::int64_t j = 0; j < group; ++j) {
      if (!device_level_rule::admits(most[j])) [[unlikely]] {
        encode_blocks<device_tl1>(args, b + j, b + j + 1);
        continue;
      }
      args.scales[b + j] = most[j];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(args.data + (b + j) * 16),
                       codes16(x + 16 * j, most[j]));
    }
  }
}

}  // namespace bp
