#pragma once

#include <immintrin.h>

#include "kernels/block_dequantize/scalar.hpp"

namespace bp {
namespace {

// Outputs of more than this leave no room for anything else in the caches, and are stored past
// them: a plain store would first read the line that it overwrites.
constexpr std::int64_t stream_from = std::int64_t{4} << 20;  // values

template <bool stream>
inline void store(float* to, __m256 v) {
  if constexpr (stream) {
    _mm256_stream_ps(to, v);
  } else {
    _mm256_storeu_ps(to, v);
  }
}

// 16 values from the 16 codes of a dword: the lanes shift their code into bits 1-0, which is all
// that vpermilps looks at, and pick table[code] * scale out of the four entries of `table`.
template <bool stream>
inline void decode16(const std::uint8_t* data, __m256 table, float* x) {
  std::int32_t word;
  __builtin_memcpy(&word, data, 4);
  const __m256i all = _mm256_set1_epi32(word);
  const __m256i low = _mm256_srlv_epi32(all, _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
  const __m256i high = _mm256_srlv_epi32(all, _mm256_setr_epi32(16, 18, 20, 22, 24, 26, 28, 30));
  store<stream>(x, _mm256_permutevar_ps(table, low));
  store<stream>(x + 8, _mm256_permutevar_ps(table, high));
}

template <bool stream>
inline void decode_whole_blocks(const block_dequantize_args& args, const decoder& codec) {
  const __m256 levels4 = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(codec.table));
  for (std::int64_t b = args.block_begin; b < args.block_end; ++b) {
    const float scale = args.scales[b];
    const __m256 table = decodes_to_zero(codec, scale)
                             ? _mm256_setzero_ps()
                             : _mm256_mul_ps(levels4, _mm256_set1_ps(scale));
    const std::int64_t begin = b * args.block;
    const std::int64_t stop = begin + args.block < args.count ? begin + args.block : args.count;
    std::int64_t i = begin;
    for (; i + 16 <= stop; i += 16) decode16<stream>(args.data + i / 4, table, args.x + i);
    for (; i < stop; ++i) args.x[i] = decode(codec, args.data, i, scale);
  }
}

// Two-bit codecs. Blocks that do not begin on a whole byte take the scalar path.
inline void decode_blocks_avx2(const block_dequantize_args& args, const decoder& codec) {
  const bool aligned = reinterpret_cast<std::uintptr_t>(args.x) % 32 == 0 && args.block % 8 == 0;
  if (args.block % 4 != 0) {
    decode_blocks(args, codec);
  } else if (aligned && args.count >= stream_from) {
    decode_whole_blocks<true>(args, codec);
    _mm_sfence();
  } else {
    decode_whole_blocks<false>(args, codec);
  }
}

}  // namespace
}  // namespace bp
