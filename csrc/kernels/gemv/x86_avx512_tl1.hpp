// AVX-512 VNNI products of tl1 with few tokens. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/gemv/x86_avx512_tl.hpp"

namespace bp {
namespace {

// The bytes of a step of a strip as dwords of sixteen rows. Memory is units of 64 bytes, lanes of
// sixteen rows by four columns (r = rows, c = columns):
//   bm = 32, two units a, b    r0 c0 | r0 c4 | r16 c0 | r16 c4    the same with c8, c12
//     unpack bytes  c0 c8 of r0-7 | c4 c12 of r0-7 | c0 c8 of r16-23 | c4 c12 of r16-23, and r8 on
//     words         rows 0-7 | 16-23: c0 c8 c4 c12, and rows 8-15 | 24-31
//   bm = 64, four units a .. d    r0 c0 | r16 c0 | r32 c0 | r48 c0    .. c12
//     unpack bytes  c0 c8 of r0-7 | r16-23 | r32-39 | r48-55, c4 c12, and both of r8 on
//     unpack words  rows 4i .. 4i + 3 of each sixteen: c0 c8 c4 c12
template <int bm>
struct step_bytes {
  __m512i of[bm / 16];
};
inline step_bytes<32> join(__m512i a, __m512i b) {
  alignas(64) static constexpr std::int16_t words[32] = {0,  8,  1,  9,  2,  10, 3,  11, 4,  12, 5,
                                                         13, 6,  14, 7,  15, 16, 24, 17, 25, 18, 26,
                                                         19, 27, 20, 28, 21, 29, 22, 30, 23, 31};
  const __m512i by_row = _mm512_load_si512(words);
  return {{_mm512_permutexvar_epi16(by_row, _mm512_unpacklo_epi8(a, b)),
           _mm512_permutexvar_epi16(by_row, _mm512_unpackhi_epi8(a, b))}};
}
inline step_bytes<64> join(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ac = _mm512_unpacklo_epi8(a, c), bd = _mm512_unpacklo_epi8(b, d);
  const __m512i ac8 = _mm512_unpackhi_epi8(a, c), bd8 = _mm512_unpackhi_epi8(b, d);
  return {{_mm512_unpacklo_epi16(ac, bd), _mm512_unpackhi_epi16(ac, bd),
           _mm512_unpacklo_epi16(ac8, bd8), _mm512_unpackhi_epi16(ac8, bd8)}};
}

constexpr std::int64_t unit_bytes = 64;

// The first `columns` columns of a step; units that are not there are any, their activations zero.
template <int bm>
inline step_bytes<bm> load_step(const std::uint8_t* w, std::int64_t columns) {
  constexpr std::int64_t each = 256 / bm;
  const auto unit = [&](std::int64_t i) {
    return load_line(i * each < columns ? w + i * unit_bytes : w);
  };
  if constexpr (bm == 32)
    return join(unit(0), unit(1));
  else
    return join(unit(0), unit(1), unit(2), unit(3));
}

// Of two vectors a has rows 0-7, 16-23, b the others; of four a has rows 0-3, 16-19, 32-35, 48-51.
//   a0 a1 a2 a3, b0 b1 b2 b3      a0 a1 b0 b1, a2 a3 b2 b3
template <int T>
inline void flush(const strip_sums<2, T>& sums, int t, std::int32_t* y) {
  const __m512i a = sums.total(0, t), b = sums.total(1, t);
  add_to(y, _mm512_shuffle_i64x2(a, b, 0x44));
  add_to(y + 16, _mm512_shuffle_i64x2(a, b, 0xee));
}
template <int T>
inline void flush(const strip_sums<4, T>& sums, int t, std::int32_t* y) {
  __m512i rows[4];
  side_by_side(sums.total(0, t), sums.total(1, t), sums.total(2, t), sums.total(3, t), rows);
  for (int i = 0; i < 4; ++i) add_to(y + 16 * i, rows[i]);
}

// Arranged activations: [M][K / BK][BK, zeros up to a whole step].
inline std::int64_t arranged_tile(const product_args& args) {
  return (args.tile.BK + pair_step - 1) / pair_step * pair_step;
}

template <int bm>
struct tl1_strips {
  template <int T>
  static inline __attribute__((always_inline)) void step(strip_sums<bm / 16, T>& sums,
                                                         const step_bytes<bm>& bytes,
                                                         const std::uint8_t* q, std::int64_t K_q) {
#pragma GCC unroll 4
    for (int v = 0; v < bm / 16; ++v) add_pairs(sums, v, bytes.of[v], q, K_q);
  }

  // A strip of one tile.
  template <int T>
  static inline void strip(const product_args& args, const std::uint8_t* w, const std::uint8_t* q,
                           std::int64_t K_q, std::int32_t* y) {
    const distances ahead = ahead_of(args);
    strip_sums<bm / 16, T> sums;
    sums.clear();
    std::int64_t left = args.tile.BK;
    for (; left >= pair_step; left -= pair_step, q += pair_step) {
#pragma GCC unroll 4
      for (int i = 0; i < bm / 16; ++i) ahead.ask(w + i * unit_bytes);
      step(sums, load_step<bm>(w, pair_step), q, K_q);
      w += pair_step * bm / 4;
    }
    if (left > 0) step(sums, load_step<bm>(w, left), q, K_q);
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) flush(sums, t, y + t * args.N);
  }

  template <int T>
  static void rows(const product_args& args, std::int64_t n, std::int64_t end, std::int64_t m) {
    const std::int64_t BK = args.tile.BK, K_q = args.K / BK * arranged_tile(args);
    const std::uint8_t* q = args.shared + m * K_q;
    begin_sums<T>(args, n, end, m);
    for (std::int64_t k = 0; k < args.K; k += BK, q += arranged_tile(args)) {
      const std::uint8_t* w = args.w + tile_weights(args.tile, args.K, n, k) / 4;
      for (std::int64_t r = n; r < end; r += bm, w += BK * bm / 4)
        strip<T>(args, w, q, K_q, args.y + m * args.N + r);
    }
  }
};

// Part p: tile p of the columns of all tokens, token by token.
inline void arrange_tl1(const product_args& args, std::int64_t p) {
  const std::int64_t BK = args.tile.BK;
  const std::int8_t* q = args.q + p * BK;
  std::uint8_t* to = args.shared + p * arranged_tile(args);
  std::int64_t left = BK;
  for (; left >= pair_step; left -= pair_step, q += pair_step, to += pair_step)
    arrange_pairs(q, to);
  if (left > 0) {
    std::int8_t rest[pair_step] = {};
    __builtin_memcpy(rest, q, static_cast<std::size_t>(left));
    arrange_pairs(rest, to);
  }
}

inline void tl1_by_codes(const product_args& args) {
  const std::int64_t parts = args.M * (args.K / args.tile.BK);
  switch (args.step) {
    case product_step::plan:
      args.needs->row_step = args.tile.bm;
      args.needs->shared_bytes = static_cast<std::size_t>(parts * arranged_tile(args));
      args.needs->shared_parts = parts;
      break;
    case product_step::prepare:
      for (std::int64_t p = args.part_begin; p < args.part_end; ++p) arrange_tl1(args, p);
      break;
    case product_step::rows:
      args.tile.bm == 32 ? tiles_by_tokens<tl1_strips<32>>(args)
                         : tiles_by_tokens<tl1_strips<64>>(args);
      break;
  }
}

}  // namespace
}  // namespace bp
