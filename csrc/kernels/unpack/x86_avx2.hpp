// What the AVX2 variants of unpack share: codes to weights, and columns turned back into rows.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/unpack/unpack.hpp"

namespace bp {

static inline __m256i load(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}
static inline void store(void* p, __m256i v) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), v);
}

// 32 bytes of 2-bit codes to 128 weights in order, weights 0-31 in the bits from `first` on: 6, 4,
// 2, 0 (i2_s) or 0, 2, 4, 6 (tq2_0).
template <int first>
static inline void two_bits(const std::uint8_t* data, std::int8_t* w) {
  constexpr int step = first == 0 ? 2 : -2;
  const __m256i v = load(data), mask = _mm256_set1_epi8(3), one = _mm256_set1_epi8(1);
  const auto weights = [&](int shift) {
    return _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(v, shift), mask), one);
  };
  store(w, weights(first));
  store(w + 32, weights(first + step));
  store(w + 64, weights(first + 2 * step));
  store(w + 96, weights(first + 3 * step));
}

// Eight columns of 32 rows (byte r of c[i] is row r) to rows:
//   pairs   columns 01, 23, 45, 67 of rows 0-7 | 16-23 (unpacklo) and 8-15 | 24-31 (unpackhi)
//   quads   columns 0-3, 4-7 of four rows a lane
//   eight   all columns of two rows a lane: r, r+1 | r+16, r+17
static inline void rows_of_columns(const __m256i c[8], const rows_out& rows) {
  const auto put = [&](int r, __m256i eight) {
    const auto at = [&](int n) {
      return reinterpret_cast<__m128i*>(rows.w + (r + n) * rows.stride);
    };
    const __m128i low = _mm256_castsi256_si128(eight), high = _mm256_extracti128_si256(eight, 1);
    _mm_storel_epi64(at(0), low);
    _mm_storel_epi64(at(1), _mm_unpackhi_epi64(low, low));
    _mm_storel_epi64(at(16), high);
    _mm_storel_epi64(at(17), _mm_unpackhi_epi64(high, high));
  };
  for (int half = 0; half < 2; ++half) {
    __m256i pairs[4], quads[4];
    for (int i = 0; i < 4; ++i) {
      pairs[i] = half == 0 ? _mm256_unpacklo_epi8(c[2 * i], c[2 * i + 1])
                           : _mm256_unpackhi_epi8(c[2 * i], c[2 * i + 1]);
    }
    for (int i = 0; i < 2; ++i) {  // rows 0-3 of the half in quads[i], rows 4-7 in quads[i + 2]
      quads[i] = _mm256_unpacklo_epi16(pairs[2 * i], pairs[2 * i + 1]);
      quads[i + 2] = _mm256_unpackhi_epi16(pairs[2 * i], pairs[2 * i + 1]);
    }
    for (int i = 0; i < 4; i += 2) {
      put(8 * half + 2 * i, _mm256_unpacklo_epi32(quads[i], quads[i + 1]));
      put(8 * half + 2 * i + 2, _mm256_unpackhi_epi32(quads[i], quads[i + 1]));
    }
  }
}

// Bytes of two pair indices a row to four columns.
static inline void pair_columns(__m256i bytes, __m256i c[4]) {
  const __m256i first = _mm256_setr_epi8(-1, -1, -1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0,  //
                                         -1, -1, -1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0);
  const __m256i second = _mm256_setr_epi8(-1, 0, 1, -1, 0, 1, -1, 0, 1, 0, 0, 0, 0, 0, 0, 0,  //
                                          -1, 0, 1, -1, 0, 1, -1, 0, 1, 0, 0, 0, 0, 0, 0, 0);
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
  const __m256i low = _mm256_and_si256(bytes, mask);
  c[0] = _mm256_shuffle_epi8(first, high);
  c[1] = _mm256_shuffle_epi8(second, high);
  c[2] = _mm256_shuffle_epi8(first, low);
  c[3] = _mm256_shuffle_epi8(second, low);
}

// Rows in the order 0-7, 16-23, 8-15, 24-31 to 0-31, and back.
static inline __m256i swap_middle(__m256i rows) {
  return _mm256_permute4x64_epi64(rows, 0xd8);  // {3 1 2 0}
}

}  // namespace bp
