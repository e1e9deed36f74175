// AVX-512 VNNI products of tl2 with few tokens. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/gemv/x86_avx512_tl.hpp"

namespace bp {
namespace {

// Four vectors b0 .. b3 of the bytes of 32 rows, rows 0-7, 16-23, 8-15, 24-31, as dwords b0 b2 b1
// b3 of rows 0-15 and 16-31:
//   a, b           b0 r0-7 r16-23 | b0 r8-15 r24-31 | b1 .. | b1 ..      the same of b2, b3
//   unpack bytes   b0 b2 of r0-7 | b0 b2 of r8-15 | b1 b3 of r0-7 | b1 b3 of r8-15, and of r16 on
//   words          b0 b2 b1 b3 of each row
struct joined_rows {
  __m512i of[2];
};
inline joined_rows join_rows(const std::uint8_t* w) {
  alignas(64) static constexpr std::int16_t words[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                         21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                         11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512i a = load_line(w), b = load_line(w + 64), by_row = _mm512_load_si512(words);
  return {{_mm512_permutexvar_epi16(by_row, _mm512_unpacklo_epi8(a, b)),
           _mm512_permutexvar_epi16(by_row, _mm512_unpackhi_epi8(a, b))}};
}

// The sign lanes of 24 columns, two bytes of each row r and r + 16, so that byte p of dword r holds
// the signs of both triples of byte p of the indices: high low high low.
inline __m512i sign_bytes(const std::uint8_t* signs) {
  const __m512i lanes =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(signs)));
  return _mm512_shuffle_epi8(lanes, _mm512_broadcast_i32x4(_mm_setr_epi8(1, 0, 1, 0, 5, 4, 5, 4, 9,
                                                                         8, 9, 8, 13, 12, 13, 12)));
}

// Bits of sign_bytes: triple 2j of byte j is bit 15 - 4j of a lane, triple 2j + 1 is bit 13 - 4j,
// for row r + 16 one lower; bytes in the order 0 2 1 3.
template <int half>
inline __mmask64 high_signs(__m512i signs) {
  return _mm512_test_epi8_mask(signs, _mm512_set1_epi32(0x08088080 >> half));
}
template <int half>
inline __mmask64 low_signs(__m512i signs) {
  return _mm512_test_epi8_mask(signs, _mm512_set1_epi32(0x02022020 >> half));
}

// Weight i of triples: the code of its index, 2 minus it where the triple is negative.
template <int i>
inline __m512i triple_codes(__m512i indices, __mmask64 negative) {
  const __m512i codes = _mm512_shuffle_epi8(codes_by_index(tl_triple[i]), indices);
  return _mm512_mask_sub_epi8(codes, negative, _mm512_set1_epi8(2), codes);
}

// A step of triples of rows 16 half .. 16 half + 15.
template <int half, int T>
inline __attribute__((always_inline)) void add_triples(strip_sums<2, T>& sums, __m512i bytes,
                                                       __m512i signs, const std::uint8_t* q,
                                                       std::int64_t K_q) {
  const __mmask64 high_negative = high_signs<half>(signs), low_negative = low_signs<half>(signs);
  const __m512i high = high_indices(bytes), low = low_indices(bytes);
  sums.add(half, 0, triple_codes<0>(high, high_negative), q, K_q);
  sums.add(half, 1, triple_codes<1>(high, high_negative), q, K_q);
  sums.add(half, 2, triple_codes<2>(high, high_negative), q, K_q);
  sums.add(half, 3, triple_codes<0>(low, low_negative), q, K_q);
  sums.add(half, 4, triple_codes<1>(low, low_negative), q, K_q);
  sums.add(half, 5, triple_codes<2>(low, low_negative), q, K_q);
}

struct tl2_strips {
  template <int T>
  static inline void flush(const product_args& args, const strip_sums<2, T>& sums,
                           std::int32_t* y) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t, y += args.N) {
      add_to(y, sums.total(0, t));
      add_to(y + 16, sums.total(1, t));
    }
  }

  // 32 rows of a tile of triples: indices at w, their signs, activations at q.
  template <int T>
  static inline void triples(const product_args& args, const std::uint8_t* w,
                             const std::uint8_t* signs, const std::uint8_t* q, std::int32_t* y) {
    const distances ahead = ahead_of(args);
    strip_sums<2, T> sums;
    sums.clear();
    for (std::int64_t c = 0; c < args.tile.BK; c += triple_step) {
      ahead.ask(w);
      ahead.ask(w + 64);
      distances{ahead.far / 4, ahead.near / 4}.ask(signs);
      const joined_rows bytes = join_rows(w);
      const __m512i minus = sign_bytes(signs);
      add_triples<0>(sums, bytes.of[0], minus, q, args.K);
      add_triples<1>(sums, bytes.of[1], minus, q, args.K);
      w += 128;
      signs += 32;
      q += triple_step;
    }
    flush(args, sums, y);
  }

  // 32 rows of 32 columns of pairs.
  template <int T>
  static inline void pairs(const product_args& args, const std::uint8_t* w, const std::uint8_t* q,
                           std::int32_t* y) {
    strip_sums<2, T> sums;
    sums.clear();
    for (int i = 0; i < 2; ++i) {
      const joined_rows bytes = join_rows(w + 128 * i);
      add_pairs(sums, 0, bytes.of[0], q + pair_step * i, args.K);
      add_pairs(sums, 1, bytes.of[1], q + pair_step * i, args.K);
    }
    flush(args, sums, y);
  }

  template <int T>
  static void rows(const product_args& args, std::int64_t n, std::int64_t end, std::int64_t m) {
    const tl2_parts part(args.w, args.N, args.K, args.tile);
    const std::uint8_t* q = args.shared + m * args.K;
    std::int32_t* y = args.y + m * args.N;
    begin_sums<T>(args, n, end, m);
    for (std::int64_t k = 0; k < part.K3; k += args.tile.BK) {
      const std::uint8_t* w = part.triples(n, k);
      const std::uint8_t* signs = part.signs(n, k);
      for (std::int64_t r = n; r < end; r += 32) {
        triples<T>(args, w, signs, q + k, y + r);
        w += args.tile.BK / triple_step * 128;
        signs += args.tile.BK / triple_step * 32;
      }
    }
    for (std::int64_t k = part.K3; k < args.K; k += 32) {
      const std::uint8_t* w = part.pairs(n, k);
      for (std::int64_t r = n; r < end; r += 32, w += 256) pairs<T>(args, w, q + k, y + r);
    }
  }
};

// Parts of a token: its tiles of triples, then all pairs.
inline std::int64_t tl2_parts_of_token(const product_args& args) {
  return args.K / args.tile.BK + 1;
}

inline void arrange_tl2(const product_args& args, std::int64_t p) {
  const std::int64_t of_token = tl2_parts_of_token(args), m = p / of_token;
  const std::int64_t begin = p % of_token * args.tile.BK;
  const std::int8_t* q = args.q + m * args.K;
  std::uint8_t* to = args.shared + m * args.K;
  if (p % of_token == of_token - 1) {
    for (std::int64_t k = begin; k < args.K; k += pair_step) arrange_pairs(q + k, to + k);
  } else {
    for (std::int64_t k = begin; k < begin + args.tile.BK; k += triple_step)
      arrange_triples(q + k, to + k);
  }
}

inline void tl2_by_codes(const product_args& args) {
  switch (args.step) {
    case product_step::plan:
      args.needs->row_step = 32;
      args.needs->shared_bytes = static_cast<std::size_t>(args.M * args.K);
      args.needs->shared_parts = args.M * tl2_parts_of_token(args);
      break;
    case product_step::prepare:
      for (std::int64_t p = args.part_begin; p < args.part_end; ++p) arrange_tl2(args, p);
      break;
    case product_step::rows:
      tiles_by_tokens<tl2_strips>(args);
      break;
  }
}

}  // namespace
}  // namespace bp
