// What the AVX2 variants of pack share: codes with their check, and 32 rows turned into columns.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/pack/pack.hpp"

namespace bp {

static inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
static inline void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

// Codes 0, 1, 2 of 32 weights; *highest gathers the highest code seen, above 2 where one is
// invalid.
static inline __m256i codes_of(const std::int8_t* w, __m256i* highest) {
  const __m256i c = _mm256_add_epi8(load(w), _mm256_set1_epi8(1));
  *highest = _mm256_max_epu8(*highest, c);
  return c;
}
static inline bool all_valid(__m256i highest) {
  const __m256i two = _mm256_set1_epi8(2);
  return _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(highest, two), two)) == -1;
}

// 128 weights in order to 32 bytes of 2-bit codes, weights 0-31 in the bits from `first` on: 6, 4,
// 2, 0 (i2_s) or 0, 2, 4, 6 (tq2_0). Codes are at most 2, so 16-bit shifts cross no byte.
template <int first>
static inline __m256i two_bits(const std::int8_t* w, __m256i* highest) {
  constexpr int step = first == 0 ? 2 : -2;
  const __m256i a = _mm256_slli_epi16(codes_of(w, highest), first);
  const __m256i b = _mm256_slli_epi16(codes_of(w + 32, highest), first + step);
  const __m256i c = _mm256_slli_epi16(codes_of(w + 64, highest), first + 2 * step);
  const __m256i d = _mm256_slli_epi16(codes_of(w + 96, highest), first + 3 * step);
  return _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
}

// Eight columns of 32 rows: out[c] holds column c, byte r of it row r.
// Every step puts rows r and r + half beside each other, until each register is one column:
//   a[i]       r i | r i+8, columns 0 to 7 alternating         (low lane rows 0-15, high 16-31)
//   b          r i | i+4 | i+8 | i+12 of columns 0-3, 4-7
//   c          r i | i+2 | ... | i+14 of columns 0-1, 2-3, 4-5, 6-7
//   out        r 0 | 1 | ... | 15 of one column
static inline void columns_of_rows(const rows_in& rows, __m256i out[8]) {
  const auto row = [&](int r) {
    const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows.w + r * rows.stride));
    const __m128i high =
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(rows.w + (r + 16) * rows.stride));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  };
  __m256i a[8], b[8], c[8];
  for (int i = 0; i < 8; ++i) a[i] = _mm256_unpacklo_epi8(row(i), row(i + 8));
  for (int i = 0; i < 4; ++i) {
    b[i] = _mm256_unpacklo_epi8(a[i], a[i + 4]);
    b[i + 4] = _mm256_unpackhi_epi8(a[i], a[i + 4]);
  }
  for (int half = 0; half < 8; half += 4) {
    for (int i = 0; i < 2; ++i) {
      c[half + i] = _mm256_unpacklo_epi8(b[half + i], b[half + i + 2]);
      c[half + i + 2] = _mm256_unpackhi_epi8(b[half + i], b[half + i + 2]);
    }
  }
  for (int i = 0; i < 8; i += 2) {
    out[i] = _mm256_unpacklo_epi8(c[i], c[i + 1]);
    out[i + 1] = _mm256_unpackhi_epi8(c[i], c[i + 1]);
  }
}

// The largest |weight| of eight columns, per byte: above 1 where one is invalid.
static inline __m256i largest(const __m256i c[8], __m256i so_far) {
  for (int i = 0; i < 8; ++i) so_far = _mm256_max_epu8(so_far, _mm256_abs_epi8(c[i]));
  return so_far;
}
static inline bool all_ternary(__m256i largest_seen) {
  const __m256i one = _mm256_set1_epi8(1);
  return _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(largest_seen, one), one)) == -1;
}

// Four columns to the bytes of two pair indices a row, the first in the high nibble.
static inline __m256i pair_bytes(const __m256i c[4]) {
  const auto index = [](__m256i w0, __m256i w1) {
    const __m256i three = _mm256_add_epi8(_mm256_add_epi8(w0, w0), w0);
    return _mm256_add_epi8(_mm256_add_epi8(three, w1), _mm256_set1_epi8(4));
  };
  return _mm256_or_si256(_mm256_slli_epi16(index(c[0], c[1]), 4), index(c[2], c[3]));
}

// Rows 0-31 in order to 0-7, 16-23, 8-15, 24-31, and back.
static inline __m256i swap_middle(__m256i rows) {
  return _mm256_permute4x64_epi64(rows, 0xd8);  // {3 1 2 0}
}

}  // namespace bp
