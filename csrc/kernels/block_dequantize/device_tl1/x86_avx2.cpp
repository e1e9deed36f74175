#include "kernels/block_dequantize/x86_avx2.hpp"

#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {
namespace {

// table[code] of eight codes 0 .. 15, from its low and high half: vpermps looks at bits 2-0 of a
// lane, vblendvps at bit 31, to which bit 3 is shifted.
inline __m256 look_up(__m256 low, __m256 high, const std::uint8_t* data) {
  const __m256i codes = _mm256_min_epu32(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(data))),
      _mm256_set1_epi32(15));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, codes),
                          _mm256_permutevar8x32_ps(high, codes),
                          _mm256_castsi256_ps(_mm256_slli_epi32(codes, 28)));
}

template <bool stream>
inline void decode_bytes(const block_dequantize_args& args) {
  const __m256 low = _mm256_loadu_ps(device_tl1_decoder.table);
  const __m256 high = _mm256_loadu_ps(device_tl1_decoder.table + 8);
  for (std::int64_t b = args.block_begin; b < args.block_end; ++b) {
    std::int64_t i = b * args.block;
    const std::int64_t stop = i + args.block < args.count ? i + args.block : args.count;
    const __m256 s = _mm256_set1_ps(args.scales[b]);
    for (; i + 8 <= stop; i += 8)
      store<stream>(args.x + i, _mm256_mul_ps(look_up(low, high, args.data + i), s));
    for (; i < stop; ++i) args.x[i] = decode(device_tl1_decoder, args.data, i, args.scales[b]);
  }
}

}  // namespace

void block_dequantize_device_tl1_x86_avx2(const block_dequantize_args& args) {
  if (reinterpret_cast<std::uintptr_t>(args.x) % 32 == 0 && args.count >= stream_from) {
    decode_bytes<true>(args);
    _mm_sfence();
  } else {
    decode_bytes<false>(args);
  }
}

}  // namespace bp
