// AVX-512 VNNI products of tl1 and tl2 with few tokens: indices are turned back into codes 0, 1, 2
// (vpshufb), four of one row side by side, which meet activations in vpdpbusd. No table of sums is
// built, one unpacking serves up to four tokens, and sums are int32 from the start: at most
// 2 * 128 * K in magnitude. For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/distances.hpp"
#include "kernels/tl.hpp"
#include "kernels/x86_avx512.hpp"

namespace bp {
namespace {

// A step is four bytes of each row: 16 columns of pairs, 24 of triples. Bytes stand in a dword in
// the order 0 2 1 3, so activations do: dword i of a step is those of weight i of each byte.
constexpr std::int64_t pair_step = 16, triple_step = 24;
constexpr int byte_order[4] = {0, 2, 1, 3};

// Activation that stands at byte `at` of an arranged step whose bytes hold `each` columns.
constexpr int arranged_from(int at, int each) {
  return byte_order[at % 4] * each + at / 4;
}

// Shuffles of two overlapping vectors of a step, columns 0 .. 15 and 8 .. 23, to 32 bytes.
struct step_shuffle {
  std::int8_t low[32], high[32];
};
constexpr step_shuffle shuffle_of_step(int each) {
  step_shuffle s{};
  for (int i = 0; i < 32; ++i) {
    const int from = i < 4 * each ? arranged_from(i, each) : -1;
    s.low[i] = static_cast<std::int8_t>(from < 16 ? from : -1);
    s.high[i] = static_cast<std::int8_t>(from < 16 ? -1 : from - 8);
  }
  return s;
}
[[maybe_unused]] alignas(32) constexpr step_shuffle of_pairs = shuffle_of_step(4);
[[maybe_unused]] alignas(32) constexpr step_shuffle of_triples = shuffle_of_step(6);

inline __m128i load_sixteen(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

inline void arrange_pairs(const std::int8_t* q, std::uint8_t* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_shuffle_epi8(load_sixteen(q), load_sixteen(of_pairs.low)));
}

inline void arrange_triples(const std::int8_t* q, std::uint8_t* to) {
  const __m128i low = load_sixteen(q), high = load_sixteen(q + 8);
  const auto part = [&](int at) {
    return _mm_or_si128(_mm_shuffle_epi8(low, load_sixteen(of_triples.low + at)),
                        _mm_shuffle_epi8(high, load_sixteen(of_triples.high + at)));
  };
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), part(0));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to + 16), part(16));
}

// Sums of `vectors` times sixteen rows and T tokens, in chains enough that a step is not shorter
// than a latency.
template <int vectors, int T>
struct strip_sums {
  static constexpr int chains = T == 1 ? 2 : 1;
  __m512i of[vectors][T][chains];

  inline __attribute__((always_inline)) void clear() {
#pragma GCC unroll 4
    for (auto& vector : of)
#pragma GCC unroll 4
      for (auto& token : vector)
#pragma GCC unroll 2
        for (auto& chain : token) chain = _mm512_setzero_si512();
  }

  // Weight i of each byte of a step whose activations are at q, those of the next token K_q later.
  inline __attribute__((always_inline)) void add(int v, int i, __m512i codes, const std::uint8_t* q,
                                                 std::int64_t K_q) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      __m512i& sum = of[v][t][i % chains];
      if constexpr (T == 1) {
        sum = _mm512_dpbusd_epi32(sum, codes, in_all_lanes(q + 4 * i));
      } else {
        add_dword(sum, codes, q + t * K_q + 4 * i);
      }
    }
  }

  inline __attribute__((always_inline)) __m512i total(int v, int t) const {
    return chains == 1 ? of[v][t][0] : _mm512_add_epi32(of[v][t][0], of[v][t][chains - 1]);
  }
};

// Codes (weight + 1) by index, in all lanes.
inline __m512i codes_by_index(const std::int8_t* weights) {
  return _mm512_broadcast_i32x4(_mm_add_epi8(load_sixteen(weights), _mm_set1_epi8(1)));
}

inline __m512i high_indices(__m512i bytes) {
  return _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(15));
}

inline __m512i low_indices(__m512i bytes) {
  return _mm512_and_si512(bytes, _mm512_set1_epi8(15));
}

// A step of pairs: `bytes` are those of sixteen rows, a dword each.
template <int vectors, int T>
inline __attribute__((always_inline)) void add_pairs(strip_sums<vectors, T>& sums, int v,
                                                     __m512i bytes, const std::uint8_t* q,
                                                     std::int64_t K_q) {
  const __m512i first = codes_by_index(tl_pair[0]), second = codes_by_index(tl_pair[1]);
  const __m512i high = high_indices(bytes), low = low_indices(bytes);
  sums.add(v, 0, _mm512_shuffle_epi8(first, high), q, K_q);
  sums.add(v, 1, _mm512_shuffle_epi8(second, high), q, K_q);
  sums.add(v, 2, _mm512_shuffle_epi8(first, low), q, K_q);
  sums.add(v, 3, _mm512_shuffle_epi8(second, low), q, K_q);
}

// Measured: a quarter of the way for the nearest cache.
inline distances ahead_of(const product_args& args) {
  return {args.tuned.prefetch_bytes, args.tuned.prefetch_bytes / 4};
}

inline void add_to(std::int32_t* y, __m512i v) {
  _mm512_storeu_si512(y, _mm512_add_epi32(load_line(y), v));
}

// y of rows n .. end and the T tokens from m on: what their sums begin with.
template <int T>
inline void begin_sums(const product_args& args, std::int64_t n, std::int64_t end, std::int64_t m) {
  for (std::int64_t t = m; t < m + T; ++t)
    for (std::int64_t r = n; r < end; r += 16)
      _mm512_storeu_si512(args.y + t * args.N + r, _mm512_set1_epi32(-args.q_sum[t]));
}

// Class `Rows` gives rows<T>(args, n, end, m): rows n .. end of a tile and T tokens.
template <class Rows>
inline void tiles_by_tokens(const product_args& args) {
  for (std::int64_t n = args.row_begin, end; n < args.row_end; n = end) {
    end = tile_end(args.tile, n, args.row_end);
    std::int64_t m = 0;
    for (; m + 4 <= args.M; m += 4) Rows::template rows<4>(args, n, end, m);
    for (; m + 2 <= args.M; m += 2) Rows::template rows<2>(args, n, end, m);
    for (; m < args.M; ++m) Rows::template rows<1>(args, n, end, m);
  }
}

}  // namespace
}  // namespace bp
