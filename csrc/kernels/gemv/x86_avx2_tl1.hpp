// AVX2 gemv of tl1. Pair indices are turned back into codes 0, 1, 2 (two table look-ups a nibble)
// and multiplied with vpmaddubsw: cheaper than tables of activation sums, whose two bytes an entry
// must be joined again by a shuffle, and nothing has to be built.
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/tl.hpp"
#include "kernels/x86_avx2.hpp"

namespace bp {
namespace {

// Bytes of a step: 128, that is 16 columns of 32 rows (bm = 32) or 8 columns of 64 rows (bm = 64).
// A step adds four pair sums of at most 512 in magnitude to a lane: 16 steps reach -32768 at the
// lowest and 32512 at the highest, so int16 never wraps.
constexpr std::int64_t tl1_step_bytes = 128;
constexpr int tl1_steps_before_widening = 16;

// The activations of a step as four vectors of byte pairs, i = 0 .. 3:
//   bm = 32   lane 0: x[i] x[i+8] repeated, lane 1: x[i+4] x[i+12] repeated
//   bm = 64   both lanes: x[i] x[i+4] repeated
struct tl1_pairs {
  __m256i x[4];
};

template <int bm>
inline tl1_pairs arrange(__m128i q) {
  const __m256i both = _mm256_broadcastsi128_si256(q);
  const __m256i first = bm == 32 ? _mm256_setr_epi64x(0x0800080008000800, 0x0800080008000800,
                                                      0x0c040c040c040c04, 0x0c040c040c040c04)
                                 : _mm256_set1_epi16(0x0400);
  tl1_pairs pairs;
  for (int i = 0; i < 4; ++i) {
    pairs.x[i] =
        _mm256_shuffle_epi8(both, _mm256_add_epi8(first, _mm256_set1_epi8(static_cast<char>(i))));
  }
  return pairs;
}

// 16 sums of the four columns that a byte of `bytes` holds twice: in a 16-bit lane the low byte is
// a row's columns i, the high byte the same row's columns of the second half of the step.
inline __m256i tl1_sums(__m256i bytes, const tl1_pairs& q) {
  const __m256i mask = _mm256_set1_epi8(15);
  const __m256i first = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0));  // w0 + 1 by index
  const __m256i second = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0));  // w1 + 1 by index
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
  const __m256i low = _mm256_and_si256(bytes, mask);
  return _mm256_add_epi16(
      _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_shuffle_epi8(first, high), q.x[0]),
                       _mm256_maddubs_epi16(_mm256_shuffle_epi8(second, high), q.x[1])),
      _mm256_add_epi16(_mm256_maddubs_epi16(_mm256_shuffle_epi8(first, low), q.x[2]),
                       _mm256_maddubs_epi16(_mm256_shuffle_epi8(second, low), q.x[3])));
}

// Sums of a strip: s[2 * h] rows 0-7 and s[2 * h + 1] rows 8-15 of the 16 rows that stand in half h
// (bm = 64: lane l of half h holds rows of group 2 * h + l).
struct tl1_strip {
  __m256i s[4];
};

// A step. Memory, 16 bytes a unit of 16 rows by 4 columns, r = rows, c = columns:
//            p              p + 32         p + 64         p + 96
//   bm = 32  r0 c0 | r0 c4  r16 c0 | r16 c4  r0 c8 | r0 c12  r16 c8 | r16 c12
//   bm = 64  r0 c0 | r16 c0 r32 c0 | r48 c0  r0 c4 | r16 c4  r32 c4 | r48 c4
// a = p, b = p + 64 (then p + 32, p + 96); bytes of a lane, rows 0 .. 15:
//   unpacklo(a, b)  a0 b0 a1 b1 ... a7 b7     unpackhi(a, b)  a8 b8 ... a15 b15
// so that vpmaddubsw adds columns of one row.
inline void tl1_step(const std::uint8_t* p, const std::uint8_t* second, const tl1_pairs& q,
                     tl1_strip& sums) {
  for (int h = 0; h < 2; ++h) {
    const __m256i a = load(p + 32 * h), b = load(second + 32 * h);
    sums.s[2 * h] = _mm256_add_epi16(sums.s[2 * h], tl1_sums(_mm256_unpacklo_epi8(a, b), q));
    sums.s[2 * h + 1] =
        _mm256_add_epi16(sums.s[2 * h + 1], tl1_sums(_mm256_unpackhi_epi8(a, b), q));
  }
}

inline void add_to(std::int32_t* y, __m256i v) {
  store(y, _mm256_add_epi32(load(y), v));
}

template <int bm>
inline void tl1_flush(const tl1_strip& sums, std::int32_t* y) {
  for (int i = 0; i < 4; ++i) {
    const __m256i lane0 = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sums.s[i]));
    const __m256i lane1 = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sums.s[i], 1));
    const int row = i % 2 * 8;
    if (bm == 32) {
      add_to(y + i / 2 * 16 + row, _mm256_add_epi32(lane0, lane1));
    } else {
      add_to(y + i / 2 * 32 + row, lane0);
      add_to(y + i / 2 * 32 + 16 + row, lane1);
    }
  }
}

// y[0 .. bm) += sum(code * q) over the columns of one tile.
template <int bm>
inline void tl1_tile(const std::uint8_t* w, const std::int8_t* q, int columns, std::int64_t ahead,
                     std::int32_t* y) {
  constexpr int step_columns = 512 / bm;
  const int steps = columns / step_columns;
  for (int i = 0; i < steps;) {
    const int stop = i + tl1_steps_before_widening < steps ? i + tl1_steps_before_widening : steps;
    tl1_strip sums = {};
    for (; i < stop; ++i, w += tl1_step_bytes, q += step_columns) {
      prefetch(w + ahead);
      prefetch(w + ahead + 64);
      const __m128i x = bm == 32 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(q))
                                 : _mm_loadl_epi64(reinterpret_cast<const __m128i*>(q));
      tl1_step(w, w + 64, arrange<bm>(x), sums);
    }
    tl1_flush<bm>(sums, y);
  }
  if (columns % step_columns != 0) {  // half a step: the other half's activations are zero
    std::int8_t rest[16] = {};
    __builtin_memcpy(rest, q, step_columns / 2);
    tl1_strip sums = {};
    tl1_step(w, w, arrange<bm>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(rest))), sums);
    tl1_flush<bm>(sums, y);
  }
}

// Rows n .. end (in one tile) of token m.
template <int bm>
inline void tl1_rows(const product_args& args, std::int64_t n, std::int64_t end, std::int64_t m) {
  const std::int32_t BK = args.tile.BK;
  const std::int8_t* q = args.q + m * args.K;
  std::int32_t* y = args.y + m * args.N;
  for (std::int64_t r = n; r < end; ++r) y[r] = -args.q_sum[m];
  for (std::int64_t k = 0; k < args.K; k += BK) {
    const std::uint8_t* w = args.w + tile_weights(args.tile, args.K, n, k) / 4;
    for (std::int64_t r = n; r < end; r += bm, w += std::int64_t{BK} * bm / 4)
      tl1_tile<bm>(w, q + k, BK, args.tuned.prefetch_bytes, y + r);
  }
}

inline void tl1_by_strips(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = args.tile.bm;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin, end; n < args.row_end; n = end) {
    end = tile_end(args.tile, n, args.row_end);
    for (std::int64_t m = 0; m < args.M; ++m)
      args.tile.bm == 32 ? tl1_rows<32>(args, n, end, m) : tl1_rows<64>(args, n, end, m);
  }
}

}  // namespace
}  // namespace bp
