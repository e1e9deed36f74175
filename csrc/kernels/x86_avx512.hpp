// AVX-512 parts that the integer kernels share. For ISA files: everything is in an anonymous
// namespace, so no copy of it can leak to another ISA.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bp {
namespace {

inline __m512i load_line(const void* p) {
  return _mm512_loadu_si512(p);
}

// Four activations in every dword.
inline __m512i in_all_lanes(const void* q) {
  std::int32_t dword;
  __builtin_memcpy(&dword, q, sizeof dword);
  return _mm512_set1_epi32(dword);
}

// sums += codes . q with one dword of activations in all lanes (AVX-512 VNNI). Written out, because
// GCC 12 loads far ahead otherwise, runs out of registers and keeps sums in memory.
inline __attribute__((always_inline)) void add_dword(__m512i& sums, __m512i codes,
                                                     const std::uint8_t* q) {
  asm volatile("vpdpbusd %[q]%{1to16%}, %[codes], %[sums]"
               : [sums] "+v"(sums)
               : [codes] "v"(codes), [q] "m"(*reinterpret_cast<const int(*)[1]>(q)));
}

// Quarter i of each side by side in to[i].
//   a0 a1 a2 a3, b.., c.., d..     a0 a1 b0 b1, a2 a3 b2 b3, ..     a0 b0 c0 d0 | a1 b1 c1 d1 | ..
inline void side_by_side(__m512i a, __m512i b, __m512i c, __m512i d, __m512i* to) {
  const __m512i ab01 = _mm512_shuffle_i32x4(a, b, 0x44), ab23 = _mm512_shuffle_i32x4(a, b, 0xee);
  const __m512i cd01 = _mm512_shuffle_i32x4(c, d, 0x44), cd23 = _mm512_shuffle_i32x4(c, d, 0xee);
  to[0] = _mm512_shuffle_i32x4(ab01, cd01, 0x88);
  to[1] = _mm512_shuffle_i32x4(ab01, cd01, 0xdd);
  to[2] = _mm512_shuffle_i32x4(ab23, cd23, 0x88);
  to[3] = _mm512_shuffle_i32x4(ab23, cd23, 0xdd);
}

// Sums of sixteen lanes of four rows.
//   unpack dwords, add   a02 b02 a13 b13 | ..    unpack qwords, add   a b c d | a b c d | .. | ..
//   add quarters         a b c d
inline __m128i sum_four(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i all =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

}  // namespace
}  // namespace bp
