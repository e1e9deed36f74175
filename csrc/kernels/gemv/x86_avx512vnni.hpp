// AVX-512 VNNI parts of the products of the native layouts: unsigned codes 0, 1, 2 against signed
// activations (vpdpbusd), which sums four products into int32 and never saturates: |sum| is at most
// 2 * 128 * K. For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/gemv/x86_avx2.hpp"
#include "kernels/x86_avx512.hpp"

namespace bp {
namespace {

// 32 activations in both halves: the half of a line is a row.
inline __m512i twice(const std::int8_t* q) {
  return _mm512_broadcast_i64x4(load(q));
}

// The codes of weights 32 s .. 32 s + 31 of a group of two rows.
template <int s>
inline __m512i codes_of(__m512i bytes) {
  const __m512i mask = _mm512_set1_epi8(3);
  constexpr int shift = native_i2_r4::shift(s);
  return _mm512_and_si512(shift == 0 ? bytes : _mm512_srli_epi16(bytes, shift), mask);
}

// Sums of rows n, n + 1 (low and high half of `ab`) and n + 2, n + 3 (of `cd`) of two tokens.
//   unpack dwords, add    a02 c02 a13 c13 | .. | b02 d02 b13 d13 | ..      of each token
//   unpack qwords, add    a c a' c' | a c a' c' | b d b' d' | b d b' d'    ' is the second token
//   add quarters          a c a' c' and b d b' d'
//   unpack dwords         a b c d, a' b' c' d'
struct two_tokens {
  __m128i first, second;  // rows n .. n + 3
};
inline two_tokens sum_rows(__m512i ab0, __m512i cd0, __m512i ab1, __m512i cd1) {
  const __m512i t0 =
      _mm512_add_epi32(_mm512_unpacklo_epi32(ab0, cd0), _mm512_unpackhi_epi32(ab0, cd0));
  const __m512i t1 =
      _mm512_add_epi32(_mm512_unpacklo_epi32(ab1, cd1), _mm512_unpackhi_epi32(ab1, cd1));
  const __m512i t = _mm512_add_epi32(_mm512_unpacklo_epi64(t0, t1), _mm512_unpackhi_epi64(t0, t1));
  const __m256i ac = _mm512_castsi512_si256(t), bd = _mm512_extracti64x4_epi64(t, 1);
  const __m128i even = _mm_add_epi32(_mm256_castsi256_si128(ac), _mm256_extracti128_si256(ac, 1));
  const __m128i odd = _mm_add_epi32(_mm256_castsi256_si128(bd), _mm256_extracti128_si256(bd, 1));
  return {_mm_unpacklo_epi32(even, odd), _mm_unpackhi_epi32(even, odd)};
}

// Of four rows those that exist.
inline __mmask8 row_mask(std::int64_t rows) {
  return static_cast<__mmask8>(rows >= 4 ? 15 : (1 << rows) - 1);
}

}  // namespace
}  // namespace bp
