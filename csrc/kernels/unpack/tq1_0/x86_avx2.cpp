#include "formats/tq1_0.hpp"

#include "kernels/unpack/unpack.hpp"
#include "kernels/unpack/x86_avx2.hpp"

namespace bp {
namespace {

// The first digit of fractions, less one: floor(3 f / 256) - 1, by where f stands to 86 and 171
// (a comparison that holds gives -1).
__m256i weight(__m256i f) {
  const auto from = [&](int bound) {
    return _mm256_cmpeq_epi8(_mm256_max_epu8(f, _mm256_set1_epi8(static_cast<char>(bound))), f);
  };
  const __m256i minus_one = _mm256_set1_epi8(-1);
  return _mm256_sub_epi8(minus_one, _mm256_add_epi8(from(86), from(171)));
}

__m256i next(__m256i f) {
  return _mm256_add_epi8(_mm256_add_epi8(f, f), f);
}

void store_half(std::int8_t* w, __m128i v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(w), v);
}

void unpack_block(const std::uint8_t* data, std::int8_t* w) {
  __m256i f = load(data);
  for (int n = 0; n < 5; ++n, f = next(f)) store(w + 32 * n, weight(f));
  // The 16 bytes in the low lane, the 4 bytes and d in the high one, of which 4 are kept.
  std::int32_t last;
  std::memcpy(&last, data + 48, 4);
  const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 32));
  f = _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen), _mm_cvtsi32_si128(last), 1);
  for (int n = 0; n < 5; ++n, f = next(f)) {
    const __m256i v = weight(f);
    store_half(w + 160 + 16 * n, _mm256_castsi256_si128(v));
    if (n == 4) break;
    const std::int32_t four = _mm_cvtsi128_si32(_mm256_extracti128_si256(v, 1));
    std::memcpy(w + 240 + 4 * n, &four, 4);
  }
}

}  // namespace

void unpack_tq1_0_x86_avx2(const unpack_args& args) {
  std::int8_t* row = args.codes;
  const std::uint8_t* data =
      args.data + args.row_begin * args.K_padded / tq1_0::block * tq1_0::block_bytes;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += tq1_0::block, data += tq1_0::block_bytes) {
      std::int8_t copy[tq1_0::block];
      unpack_block(data, columns(args, row, k, tq1_0::block, copy).w);
      keep_columns(args, row, k, 1, tq1_0::block, copy);
    }
  }
}

}  // namespace bp
