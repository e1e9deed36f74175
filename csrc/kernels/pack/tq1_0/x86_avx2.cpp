#include "formats/tq1_0.hpp"

#include "kernels/pack/pack.hpp"
#include "kernels/pack/x86_avx2.hpp"

namespace bp {
namespace {

__m256i append(__m256i v, __m256i digit) {
  return _mm256_add_epi8(_mm256_add_epi8(_mm256_add_epi8(v, v), v), digit);
}

// ceil(256 v / 243) = v + floor((13 v + 242) / 243) for v = 0..242. The quotient of x = 13 v + 242
// <= 3388 is x * 4316 >> 20: 4316 exceeds 2^20 / 243 by 0.88, so the error is below 0.0029 < 1/243.
__m256i fraction(__m256i v) {
  const __m256i zero = _mm256_setzero_si256();
  const auto carry = [](__m256i wide) {
    const __m256i x =
        _mm256_add_epi16(_mm256_mullo_epi16(wide, _mm256_set1_epi16(13)), _mm256_set1_epi16(242));
    return _mm256_srli_epi16(_mm256_mulhi_epu16(x, _mm256_set1_epi16(4316)), 4);
  };
  const __m256i low = carry(_mm256_unpacklo_epi8(v, zero));
  const __m256i high = carry(_mm256_unpackhi_epi8(v, zero));
  return _mm256_add_epi8(v, _mm256_packus_epi16(low, high));  // both are lane-wise: in order again
}

// 20 bytes of digits of weights 160..255: five digits in 16 bytes, four in the last 4.
//   five vectors of 16: weights 160 + 16n + m, n = 0..4; then 240 + 4n + m as one vector of 16
__m256i tail(const std::int8_t* w, __m256i* highest) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i c01 = codes_of(w + 160, highest);                  // n = 0 | n = 1
  const __m256i c23 = codes_of(w + 192, highest);                  // n = 2 | n = 3
  const __m256i c4x = codes_of(w + 224, highest);                  // n = 4 | the last 16 weights
  const __m256i last = _mm256_permute2x128_si256(c4x, c4x, 0x81);  // last 16 | zero
  // Digit n of the last 4 bytes into the high lane beside digit n of the 16 bytes.
  const auto digit = [&](__m256i sixteen, int n) {
    const __m256i four = _mm256_castsi128_si256(
        _mm_cvtsi32_si128(static_cast<int>(n == 0   ? _mm256_extract_epi32(last, 0)
                                           : n == 1 ? _mm256_extract_epi32(last, 1)
                                           : n == 2 ? _mm256_extract_epi32(last, 2)
                                                    : _mm256_extract_epi32(last, 3))));
    return _mm256_permute2x128_si256(sixteen, four, 0x20);
  };
  __m256i v = digit(c01, 0);
  v = append(v, digit(_mm256_permute2x128_si256(c01, c01, 0x81), 1));
  v = append(v, digit(c23, 2));
  v = append(v, digit(_mm256_permute2x128_si256(c23, c23, 0x81), 3));
  v = append(v, _mm256_permute2x128_si256(c4x, zero, 0x20));  // the fifth digit of four is 0
  return fraction(v);
}

}  // namespace

void pack_tq1_0_x86_avx2(const pack_args& args) {
  const std::int8_t* row = args.codes;
  std::uint8_t* out =
      args.data + args.row_begin * args.K_padded / tq1_0::block * tq1_0::block_bytes;
  __m256i highest = _mm256_setzero_si256();
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += tq1_0::block, out += tq1_0::block_bytes) {
      std::int8_t copy[tq1_0::block];
      const std::int8_t* w = columns(args, row, k, 1, tq1_0::block, copy).w;
      __m256i v = codes_of(w, &highest);
      for (int digit = 1; digit < 5; ++digit) v = append(v, codes_of(w + 32 * digit, &highest));
      store(out, fraction(v));
      const __m256i rest = tail(w, &highest);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 32), _mm256_castsi256_si128(rest));
      const int last = _mm_cvtsi128_si32(_mm256_extracti128_si256(rest, 1));
      std::memcpy(out + 48, &last, 4);
      std::memcpy(out + tq1_0::scale_at, &args.d, 2);
    }
  }
  if (!all_valid(highest)) mark_invalid(args);
}

}  // namespace bp
