// AVX2 rows of the 2-bit formats: unsigned codes 0, 1, 2 against signed activations (vpmaddubsw).
// The format is a class of two_bit.hpp.
#pragma once

#include "kernels/gemv/scaled.hpp"
#include "kernels/x86_avx2.hpp"

namespace bp {
namespace {

// A pair sum of vpmaddubsw is at most 2 * 2 * 128 = 512 in magnitude, and a group adds four of them
// to a lane: 16 groups reach -32768 at the lowest and 32512 at the highest, so int16 never wraps.
constexpr std::int64_t groups_before_widening = 16;

// The codes of a group by quarter: c[s] byte p = code of weight 32 s + p.
struct codes {
  __m256i c[4];
};

template <class Format>
inline codes unpack(__m256i bytes) {
  const __m256i mask = _mm256_set1_epi8(3);
  return {{_mm256_and_si256(_mm256_srli_epi16(bytes, Format::shift(0)), mask),
           _mm256_and_si256(_mm256_srli_epi16(bytes, Format::shift(1)), mask),
           _mm256_and_si256(_mm256_srli_epi16(bytes, Format::shift(2)), mask),
           _mm256_and_si256(_mm256_srli_epi16(bytes, Format::shift(3)), mask)}};
}

// 16 sums of int16: lane i = the products of weights 2i, 2i + 1 of each quarter.
inline __m256i pair_sums(const codes& w, __m256i q0, __m256i q1, __m256i q2, __m256i q3) {
  return _mm256_add_epi16(
      _mm256_add_epi16(_mm256_maddubs_epi16(w.c[0], q0), _mm256_maddubs_epi16(w.c[1], q1)),
      _mm256_add_epi16(_mm256_maddubs_epi16(w.c[2], q2), _mm256_maddubs_epi16(w.c[3], q3)));
}

inline __m256i pair_sums(const codes& w, const std::int8_t* q) {
  return pair_sums(w, load(q), load(q + 32), load(q + 64), load(q + 96));
}

// Row n against T tokens from token m on: codes are unpacked once for all of them.
template <class Format, int T>
inline void row_by_tokens(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t groups = args.K / group_weights;
  const std::int64_t ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = Format::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q + m * args.K;
  __m256i wide[T];
  for (auto& v : wide) v = _mm256_setzero_si256();
  for (std::int64_t g = 0; g < groups;) {
    const std::int64_t left = groups - g;
    const std::int64_t stop = g + (left < groups_before_widening ? left : groups_before_widening);
    __m256i narrow[T];
    for (auto& v : narrow) v = _mm256_setzero_si256();
    for (; g < stop; w += Format::step(g), q += group_weights, ++g) {
      prefetch(w + ahead);
      const codes c = unpack<Format>(load(w));
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        narrow[t] = _mm256_add_epi16(narrow[t], pair_sums(c, q + t * args.K));
      }
    }
    for (int t = 0; t < T; ++t) wide[t] = widen(wide[t], narrow[t]);
  }
  for (int t = 0; t < T; ++t) args.y[(m + t) * args.N + n] = sum_lanes(wide[t]) - args.q_sum[m + t];
}

// Four rows whose groups stand in one 128-byte line, against one token: the weights are one stream
// that the hardware prefetcher follows, and activations are loaded once for four rows.
inline void four_rows(const product_args& args, std::int64_t n) {
  const std::int64_t groups = args.K / group_weights;
  const std::int64_t ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = native_i2_r4::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q;
  __m256i wide[4];
  for (auto& v : wide) v = _mm256_setzero_si256();
  for (std::int64_t g = 0; g < groups;) {
    const std::int64_t left = groups - g;
    const std::int64_t stop = g + (left < groups_before_widening ? left : groups_before_widening);
    __m256i narrow[4];
    for (auto& v : narrow) v = _mm256_setzero_si256();
    for (; g < stop; w += 128, q += group_weights, ++g) {
      prefetch(w + ahead);
      prefetch(w + ahead + 64);
      const __m256i q0 = load(q), q1 = load(q + 32), q2 = load(q + 64), q3 = load(q + 96);
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        const codes c = unpack<native_i2_r4>(load(w + 32 * r));
        narrow[r] = _mm256_add_epi16(narrow[r], pair_sums(c, q0, q1, q2, q3));
      }
    }
    for (int r = 0; r < 4; ++r) wide[r] = widen(wide[r], narrow[r]);
  }
  for (int r = 0; r < 4 && n + r < args.row_end; ++r) {
    args.y[n + r] = sum_lanes(wide[r]) - args.q_sum[0];
  }
}

// What scaled.hpp asks for.
struct scaled_by_pairs {
  // |sum| <= 128 * count <= 2^29.
  static std::int32_t sum_of(const std::int8_t* q, std::int64_t count) {
    __m256i wide = _mm256_setzero_si256();
    for (std::int64_t k = 0; k < count; k += 32)
      wide = widen(wide, _mm256_maddubs_epi16(_mm256_set1_epi8(1), load(q + k)));
    return sum_lanes(wide);
  }

  template <class Format, int T>
  static void scaled(const product_args& args, const std::int32_t* q_blocks, std::int64_t n,
                     std::int64_t m) {
    constexpr std::int64_t block_groups = Format::block_weights / group_weights;
    static_assert(block_groups <= groups_before_widening);
    const std::int64_t groups = args.K / group_weights;
    const std::int64_t blocks = (groups + block_groups - 1) / block_groups;
    const std::int64_t ahead = args.tuned.prefetch_bytes;
    const std::int8_t* q = args.q + m * args.K;
    float total[T] = {};
    for (std::int64_t b = 0; b < blocks; ++b) {
      const float d = Format::scale(args, n, b);
      __m256i narrow[T];
      for (auto& v : narrow) v = _mm256_setzero_si256();
      for (std::int64_t g = b * block_groups; g < (b + 1) * block_groups && g < groups; ++g) {
        const std::uint8_t* w = Format::group(args.w, args.K, n, g);
        prefetch(w + ahead);
        const codes c = unpack<Format>(load(w));
        for (int t = 0; t < T; ++t) {
          const std::int8_t* x = q + t * args.K + g * group_weights;
          narrow[t] = _mm256_add_epi16(narrow[t], pair_sums(c, x));
        }
      }
      for (int t = 0; t < T; ++t) {
        const std::int32_t sum = sum_lanes(widen(_mm256_setzero_si256(), narrow[t]));
        const float scale = d * activation_scale(args, blocks, m + t, b);
        total[t] += scale * static_cast<float>(sum - q_blocks[(m + t) * blocks + b]);
      }
    }
    for (int t = 0; t < T; ++t) args.scaled[(m + t) * args.N + n] = total[t];
  }
};

template <class Format>
inline void scaled_rows(const product_args& args) {
  scaled_rows_by<Format, scaled_by_pairs>(args);
}

template <class Format>
inline void gemv_rows(const product_args& args) {
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) row_by_tokens<Format, 1>(args, n, 0);
}

}  // namespace
}  // namespace bp
