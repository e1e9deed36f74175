// AVX2 gemv of tl2: tables of activation sums, 16 entries of int16 a triple or pair, built once for
// all rows. Triples are signed, and their sign stands in 16-bit lanes: it is applied to sums, where
// one vpsignw serves three weights. (Turning indices back into codes needs a sign for each weight.)
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/tl.hpp"
#include "kernels/x86_avx2.hpp"

namespace bp {
namespace {

// A table in `shared`: 16 low bytes, then 16 high bytes. For each token one for each triple of
// columns [0, K3), then one for each pair of the rest. A part of `prepare` is 96 columns of a
// token.
constexpr std::int64_t table_bytes = 32, part_columns = 96;

struct tl2_tables {
  std::int64_t K3, pairs_at, token_bytes, token_parts;

  explicit tl2_tables(const product_args& args)
      : K3(args.K / args.tile.BK * args.tile.BK),
        pairs_at(K3 / 3 * table_bytes),
        token_bytes(pairs_at + (args.K - K3) / 2 * table_bytes),
        token_parts((args.K + part_columns - 1) / part_columns) {}
};

// The entries of a table, as their two bytes.
//   lows (low byte of each word) and highs, packed   lows 0-7 | highs 0-7 | lows 8-15 | highs 8-15
//   quarters reordered 0 2 1 3                       lows 0-15 | highs 0-15
inline __m256i split_bytes(__m256i entries) {
  const __m256i low = _mm256_and_si256(entries, _mm256_set1_epi16(255));
  const __m256i high = _mm256_srli_epi16(entries, 8);
  return _mm256_permute4x64_epi64(_mm256_packus_epi16(low, high), 0xd8);
}

inline __m256i entry_weights(const std::int8_t* w) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
}

// Entry v: w[0][v] * q[0] + w[1][v] * q[1] (+ w[2][v] * q[2]); at most 3 * 128 in magnitude.
template <int weights>
inline __m256i table(const std::int8_t (*w)[16], const std::int8_t* q) {
  __m256i sum = _mm256_setzero_si256();
  for (int i = 0; i < weights; ++i) {
    sum = _mm256_add_epi16(sum, _mm256_mullo_epi16(entry_weights(w[i]), _mm256_set1_epi16(q[i])));
  }
  return split_bytes(sum);
}

inline void build_tables(const product_args& args, std::int64_t part) {
  const tl2_tables t(args);
  const std::int8_t* q = args.q + part / t.token_parts * args.K;
  std::uint8_t* tables = args.shared + part / t.token_parts * t.token_bytes;
  const std::int64_t begin = part % t.token_parts * part_columns;
  const std::int64_t end = begin + part_columns < args.K ? begin + part_columns : args.K;
  const std::int64_t triples_end = end < t.K3 ? end : t.K3;
  for (std::int64_t k = begin; k < triples_end; k += 3)
    store(tables + k / 3 * table_bytes, table<3>(tl_triple, q + k));
  for (std::int64_t k = begin > t.K3 ? begin : t.K3; k < end; k += 2)
    store(tables + t.pairs_at + (k - t.K3) / 2 * table_bytes, table<2>(tl_pair, q + k));
}

// Looks up 32 nibbles (rows as stored: 0-7 16-23 | 8-15 24-31) and joins the bytes of the entries:
//   unpacklo  rows 0-7  | 8-15     unpackhi  rows 16-23 | 24-31
struct looked_up {
  __m256i first, second;  // int16 of rows 0-15 and of rows 16-31
};

inline looked_up look_up(const std::uint8_t* entries, __m256i nibbles) {
  const auto* at = reinterpret_cast<const __m128i*>(entries);
  const __m256i low = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(at)), nibbles);
  const __m256i high =
      _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_load_si128(at + 1)), nibbles);
  return {_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high)};
}

inline __m256i high_nibbles(__m256i bytes) {
  return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
}

inline __m256i low_nibbles(__m256i bytes) {
  return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

// 24 columns of 32 rows. A sign lane has bit 15 - 2t for row r and bit 14 - 2t for row r + 16; the
// other bits are set to 1, so that after a shift by 2t the lane is negative where the triple is,
// and never zero (vpsignw clears a lane whose sign is zero).
inline void add_triples(const std::uint8_t* w, const std::uint8_t* signs,
                        const std::uint8_t* tables, looked_up& sums) {
  const __m256i keep = _mm256_set1_epi16(0x5555);
  __m256i first = _mm256_or_si256(load(signs), keep);
  __m256i second = _mm256_or_si256(_mm256_slli_epi16(load(signs), 1), keep);
#pragma GCC unroll 8
  for (int t = 0; t < 8; ++t) {
    const __m256i bytes = load(w + t / 2 * 32);
    const looked_up v =
        look_up(tables + t * table_bytes, t % 2 == 0 ? high_nibbles(bytes) : low_nibbles(bytes));
    sums.first = _mm256_add_epi16(sums.first, _mm256_sign_epi16(v.first, first));
    sums.second = _mm256_add_epi16(sums.second, _mm256_sign_epi16(v.second, second));
    first = _mm256_slli_epi16(first, 2);
    second = _mm256_slli_epi16(second, 2);
  }
}

// 4 columns of 32 rows.
inline void add_pairs(const std::uint8_t* w, const std::uint8_t* tables, looked_up& sums) {
  const __m256i bytes = load(w);
  const looked_up a = look_up(tables, high_nibbles(bytes));
  const looked_up b = look_up(tables + table_bytes, low_nibbles(bytes));
  sums.first = _mm256_add_epi16(sums.first, _mm256_add_epi16(a.first, b.first));
  sums.second = _mm256_add_epi16(sums.second, _mm256_add_epi16(a.second, b.second));
}

inline void flush(const looked_up& sums, std::int32_t* y) {
  const __m256i part[2] = {sums.first, sums.second};
  for (int i = 0; i < 4; ++i) {
    const __m128i half =
        i % 2 == 0 ? _mm256_castsi256_si128(part[i / 2]) : _mm256_extracti128_si256(part[i / 2], 1);
    store(y + 8 * i, _mm256_add_epi32(load(y + 8 * i), _mm256_cvtepi16_epi32(half)));
  }
}

// Rows n .. end (in one tile). Lanes are widened after each tile: BK <= 258 columns are at most 86
// triples of at most 384 in magnitude, and 32 columns are 16 pairs of at most 256. 86 * 384 = 33024
// would pass int16, but BK % 24 == 0 leaves 80 triples: 30720.
inline void tl2_rows(const product_args& args, std::int64_t n, std::int64_t end,
                     const std::uint8_t* tables, std::int32_t* y) {
  const tl2_parts part(args.w, args.N, args.K, args.tile);
  const std::int64_t ahead = args.tuned.prefetch_bytes;
  for (std::int64_t r = n; r < end; ++r) y[r] = 0;
  for (std::int64_t k = 0; k < part.K3; k += args.tile.BK) {
    const std::uint8_t* w = part.triples(n, k);
    const std::uint8_t* signs = part.signs(n, k);
    for (std::int64_t r = n; r < end; r += 32) {
      looked_up sums = {};
      for (std::int64_t c = k; c < k + args.tile.BK; c += 24, w += 128, signs += 32) {
        prefetch(w + ahead);
        prefetch(w + ahead + 64);
        prefetch(signs + ahead / 4);  // 32 bytes of signs beside 128 of indices
        add_triples(w, signs, tables + c / 3 * table_bytes, sums);
      }
      flush(sums, y + r);
    }
  }
  tables += part.K3 / 3 * table_bytes;
  for (std::int64_t k = part.K3; k < args.K; k += 32, tables += 16 * table_bytes) {
    const std::uint8_t* w = part.pairs(n, k);
    for (std::int64_t r = n; r < end; r += 32, w += 256) {
      looked_up sums = {};
      for (int j = 0; j < 8; ++j) add_pairs(w + 32 * j, tables + 2 * j * table_bytes, sums);
      flush(sums, y + r);
    }
  }
}

inline void tl2_by_tables(const product_args& args) {
  const tl2_tables t(args);
  if (args.step == product_step::plan) {
    args.needs->row_step = 32;
    args.needs->shared_bytes = static_cast<std::size_t>(args.M * t.token_bytes);
    args.needs->shared_parts = args.M * t.token_parts;
    return;
  }
  if (args.step == product_step::prepare) {
    for (std::int64_t p = args.part_begin; p < args.part_end; ++p) build_tables(args, p);
    return;
  }
  for (std::int64_t n = args.row_begin, end; n < args.row_end; n = end) {
    end = tile_end(args.tile, n, args.row_end);
    for (std::int64_t m = 0; m < args.M; ++m)
      tl2_rows(args, n, end, args.shared + m * t.token_bytes, args.y + m * args.N);
  }
}

}  // namespace
}  // namespace bp
