// AVX2 gemm of tl1, tl2 and tq1_0: panels of codes for x86_avx2.hpp, and who needs one. A panel is
// [columns / 4][16 rows][4 codes]; n is a multiple of 16, so its rows are in one strip.
// `tokens` of a panel: measured, from so many tokens on it is faster than row by row.
#pragma once

#include "kernels/gemm/tl_panels.hpp"
#include "kernels/gemm/x86_avx2.hpp"
#include "kernels/gemv/x86_avx2_tl1.hpp"
#include "kernels/gemv/x86_avx2_tl2.hpp"
#include "kernels/gemv/x86_avx2_tq1_0.hpp"

namespace bp {
namespace {

inline __m128i load_half(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

// Four columns of 16 rows, a vector each, to 16 rows of four columns:
//   unpack bytes   a0 b0 a1 b1 ... a7 b7     c0 d0 c1 d1 ... c7 d7
//   unpack words   a0 b0 c0 d0 ... a3 b3 c3 d3
inline void store_columns(std::uint8_t* panel, __m128i a, __m128i b, __m128i c, __m128i d) {
  const __m128i ab[2] = {_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)};
  const __m128i cd[2] = {_mm_unpacklo_epi8(c, d), _mm_unpackhi_epi8(c, d)};
  for (int i = 0; i < 2; ++i, panel += 32) {
    auto* out = reinterpret_cast<__m128i*>(panel);
    _mm_storeu_si128(out, _mm_unpacklo_epi16(ab[i], cd[i]));
    _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(ab[i], cd[i]));
  }
}

// Codes (weight + 1) by index.
inline __m128i code_table(const std::int8_t* weights) {
  return _mm_add_epi8(load_half(weights), _mm_set1_epi8(1));
}

// 16 bytes of two pair indices each: four columns of 16 rows.
inline void store_pairs(std::uint8_t* panel, __m128i bytes) {
  const __m128i first = code_table(tl_pair[0]), second = code_table(tl_pair[1]);
  const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
  const __m128i low = _mm_and_si128(bytes, _mm_set1_epi8(15));
  store_columns(panel, _mm_shuffle_epi8(first, high), _mm_shuffle_epi8(second, high),
                _mm_shuffle_epi8(first, low), _mm_shuffle_epi8(second, low));
}

// Rows n .. n + 15 of a vector of 32 rows: 0-15 at bytes 0-7 and 16-23, 16-31 at 8-15 and 24-31.
inline __m128i sixteen(const std::uint8_t* w, std::int64_t n) {
  const std::uint8_t* at = w + n % 32 / 2;
  return _mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)),
                            _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at + 16)));
}

// The sign of triple t of 16 rows as bytes 1 and -1, from the sign lanes of its group.
//   words of rows 0-7 | 8-15      packed: bytes of rows 0-15
inline __m128i row_signs(__m256i lanes, int shift) {
  const __m256i minus = _mm256_srai_epi16(_mm256_sll_epi16(lanes, _mm_cvtsi32_si128(shift)), 15);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(minus), _mm256_extracti128_si256(minus, 1));
  return _mm_or_si128(bytes, _mm_set1_epi8(1));
}

// 24 columns of 16 rows: eight triples.
inline void store_triples(std::uint8_t* panel, const std::uint8_t* w, const std::uint8_t* signs,
                          std::int64_t n) {
  const __m256i lanes = load(signs);
  const int low_half = n % 32 != 0;
  __m128i column[24];
  for (int t = 0; t < 8; ++t) {
    const __m128i bytes = sixteen(w + t / 2 * 32, n);
    const __m128i index =
        _mm_and_si128(t % 2 == 0 ? _mm_srli_epi16(bytes, 4) : bytes, _mm_set1_epi8(15));
    const __m128i sign = row_signs(lanes, 2 * t + low_half);
    for (int i = 0; i < 3; ++i) {
      const __m128i weight = _mm_shuffle_epi8(load_half(tl_triple[i]), index);
      column[3 * t + i] = _mm_add_epi8(_mm_sign_epi8(weight, sign), _mm_set1_epi8(1));
    }
  }
  for (int c = 0; c < 24; c += 4, panel += 64)
    store_columns(panel, column[c], column[c + 1], column[c + 2], column[c + 3]);
}

// What tl_panels.hpp asks for.
struct tl_codes {
  static void pairs(std::uint8_t* panel, const std::uint8_t* w) {
    store_pairs(panel, load_half(w));
  }
  static void pairs(std::uint8_t* panel, const std::uint8_t* w, std::int64_t n) {
    store_pairs(panel, sixteen(w, n));
  }
  static void triples(std::uint8_t* panel, const std::uint8_t* w, const std::uint8_t* signs,
                      std::int64_t n) {
    store_triples(panel, w, signs, n);
  }
};

struct tl1_panel : tl1_columns<tl_codes> {
  static constexpr std::int64_t tokens = 12;
};

struct tl2_panel : tl2_columns<tl_codes> {
  static constexpr std::int64_t tokens = 8;
};

struct tq1_0_panel {
  static constexpr std::int64_t width = 512, tokens = 6;

  static void fill(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t count,
                   std::uint8_t* panel) {
    const std::int64_t blocks = args.K / tq1_0::block_weights;
    for (std::int64_t k = begin; k < begin + count; k += 256, panel += 256 * panel_rows) {
      for (int half = 0; half < 2; ++half) {
        __m256i codes[8][8];
        for (int r = 0; r < 8; ++r) {
          const std::int64_t row = n + 8 * half + r;
          const std::int64_t block = (row < args.N ? row : args.N - 1) * blocks + k / 256;
          block_codes(args.w + block * tq1_0::block_bytes, codes[r]);
        }
        for (int i = 0; i < 8; ++i) {  // columns 32 i .. 32 i + 31
          __m256i v[8];
          for (int r = 0; r < 8; ++r) v[r] = codes[r][i];
          transpose(v);
          for (int j = 0; j < 8; ++j) store(panel + (8 * i + j) * 64 + 32 * half, v[j]);
        }
      }
    }
  }
};

template <class Panel>
inline void by_panels(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = panel_rows;
  if (args.step == product_step::rows) gemm_by_panels<Panel, pair_products>(args);
}

}  // namespace
}  // namespace bp
