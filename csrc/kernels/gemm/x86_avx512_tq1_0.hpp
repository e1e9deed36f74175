// Panels of tq1_0 with vectors of 64 bytes. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/gemm/x86_avx2_lut.hpp"
#include "kernels/gemv/x86_avx512_tq1_0.hpp"

namespace bp {
namespace {

// The leading trit of each byte b, a fraction of 256: 1 from 86 on (256 / 3 = 85.3), 2 from 171 on.
inline __m512i leading_trits(__m512i bytes) {
  const __mmask64 one = _mm512_cmpgt_epu8_mask(bytes, _mm512_set1_epi8(85));
  const __mmask64 two = _mm512_cmpgt_epu8_mask(bytes, _mm512_set1_epi8(static_cast<char>(170)));
  return _mm512_mask_mov_epi8(_mm512_maskz_mov_epi8(one, _mm512_set1_epi8(1)), two,
                              _mm512_set1_epi8(2));
}

inline __m512i halves(__m256i low, __m256i high) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// codes[i] byte j of each half: code of weight 32 i + j of a block of two rows, as block_codes of
// gemv/x86_avx2_tq1_0.hpp has it for one.
inline void two_blocks_of_codes(const std::uint8_t* a, const std::uint8_t* b, __m512i codes[8]) {
  const auto times_3 = sixteen_fractions::times_3;
  __m512i v = halves(load(a), load(b));
  for (int i = 0; i < 5; ++i, v = times_3(v)) codes[i] = leading_trits(v);

  const __m512i t = halves(_mm256_broadcastsi128_si256(load_half(a + 32)),
                           _mm256_broadcastsi128_si256(load_half(b + 32)));
  const __m512i t1 = _mm512_mask_mov_epi64(t, 0xcc, times_3(t)), t9 = times_3(times_3(t1));
  std::int32_t last[2];
  __builtin_memcpy(last, a + 48, 4);
  __builtin_memcpy(last + 1, b + 48, 4);
  const __m512i h = halves(_mm256_set1_epi32(last[0]), _mm256_set1_epi32(last[1]));
  const __m512i h3 = times_3(h), h9 = times_3(h3);
  const __m512i h_all = _mm512_mask_mov_epi32(
      _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(h, 0x2020, h3), 0x4040, h9), 0x8080, times_3(h9));
  codes[5] = leading_trits(t1);
  codes[6] = leading_trits(t9);
  codes[7] = leading_trits(_mm512_mask_mov_epi32(times_3(times_3(t9)), 0xf0f0, h_all));
}

// Eight dwords of rows r and r + 8, a half each, r = 0 .. 7, to eight lines: dword j of rows 0
// .. 15.
//   unpack dwords   a0 b0 a1 b1 | a4 b4 a5 b5 | the same of rows 8 on
//   unpack qwords   a0 b0 c0 d0 | a4 b4 c4 d4 | ..
//   quarters        a0 b0 c0 d0 | e0 f0 g0 h0 | i0 j0 k0 l0 | m0 n0 o0 p0, and those of a4
inline void store_lines(const __m512i (&rows)[8], std::uint8_t* panel) {
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
  const __m512i second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  __m512i u[8];
  for (int i = 0; i < 8; i += 4) {
    const __m512i ab = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    const __m512i ab2 = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    const __m512i cd = _mm512_unpacklo_epi32(rows[i + 2], rows[i + 3]);
    const __m512i cd2 = _mm512_unpackhi_epi32(rows[i + 2], rows[i + 3]);
    u[i] = _mm512_unpacklo_epi64(ab, cd);
    u[i + 1] = _mm512_unpackhi_epi64(ab, cd);
    u[i + 2] = _mm512_unpacklo_epi64(ab2, cd2);
    u[i + 3] = _mm512_unpackhi_epi64(ab2, cd2);
  }
  for (int j = 0; j < 4; ++j) {
    _mm512_store_si512(panel + 64 * j, _mm512_permutex2var_epi64(u[j], first, u[j + 4]));
    _mm512_store_si512(panel + 64 * (j + 4), _mm512_permutex2var_epi64(u[j], second, u[j + 4]));
  }
}

struct tq1_0_lines {
  static constexpr std::int64_t width = 512;

  static void fill(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t count,
                   std::uint8_t* panel) {
    const std::int64_t blocks = args.K / tq1_0::block_weights;
    const auto block = [&](std::int64_t row, std::int64_t k) {
      const std::int64_t there = row < args.N ? row : args.N - 1;
      return args.w + (there * blocks + k / tq1_0::block_weights) * tq1_0::block_bytes;
    };
    for (std::int64_t k = begin; k < begin + count; k += tq1_0::block_weights) {
      __m512i codes[8][8];
      for (int r = 0; r < 8; ++r)
        two_blocks_of_codes(block(n + r, k), block(n + r + 8, k), codes[r]);
      for (int i = 0; i < 8; ++i, panel += 512) {
        const __m512i rows[8] = {codes[0][i], codes[1][i], codes[2][i], codes[3][i],
                                 codes[4][i], codes[5][i], codes[6][i], codes[7][i]};
        store_lines(rows, panel);
      }
    }
  }
};

}  // namespace
}  // namespace bp
