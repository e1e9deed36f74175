// Rows of the 2-bit formats on ARM: unsigned codes 0, 1, 2 against signed activations, in the sums
// of arm_dot.hpp. The format is a class of two_bit.hpp.
#pragma once

#include "kernels/arm_dot.hpp"
#include "kernels/gemv/scaled.hpp"

namespace bp {
namespace {

// Codes are masked where they stand in their byte, as far as sums have room, and count 4 and 16
// times in sums of their own: times[i] counts 4^i times. In the top bits they are shifted down.
#if defined(__ARM_FEATURE_DOTPROD)
// A group adds to a lane of int32 at most 8 * 16 * 2 * 128 = 2^15 in magnitude in times[2] (a
// quarter of its weights), 2^13 in times[1] and 2^12 in times[0]: largest_columns, 2^15 groups,
// reach 2^30.
constexpr int top_in_place = 4;
constexpr std::int64_t groups_before_widening = 1 << 15;
#else
// A group adds to a lane of int16 six products of at most 2 * 128 in magnitude in times[0], and two
// of at most 8 * 128 in times[1]: 16 groups reach -32768 at the lowest and 32512 at the highest.
constexpr int top_in_place = 2;
constexpr std::int64_t groups_before_widening = 16;
#endif

struct group_sums {
  partial times[top_in_place / 2 + 1];
};

// Four sums that together are all of it; multiples shift back without a remainder.
inline int32x4_t widened(const group_sums& from) {
  int32x4_t sum = widened(from.times[0]);
  sum = vsraq_n_s32(sum, widened(from.times[1]), 2);
  if constexpr (top_in_place == 4) sum = vsraq_n_s32(sum, widened(from.times[2]), 4);
  return sum;
}

// 16 codes at bit `shift` of their bytes, times 4^times_of<shift>.
template <int shift>
constexpr int times_of = shift <= top_in_place ? shift / 2 : 0;

template <int shift>
inline uint8x16_t codes_at(uint8x16_t bytes) {
  if constexpr (shift == 6) {
    return vshrq_n_u8(bytes, 6);
  } else if constexpr (shift <= top_in_place) {
    return vandq_u8(bytes, vdupq_n_u8(3 << shift));
  } else {
    return vandq_u8(vshrq_n_u8(bytes, shift), vdupq_n_u8(3));
  }
}

// The codes of 16 bytes by quarter of their group.
struct codes {
  uint8x16_t a, b, c, d;
};

template <class Format>
inline codes unpack(uint8x16_t bytes) {
  return {codes_at<Format::shift(0)>(bytes), codes_at<Format::shift(1)>(bytes),
          codes_at<Format::shift(2)>(bytes), codes_at<Format::shift(3)>(bytes)};
}

// Activations of the same 16 bytes, by quarter.
struct activations {
  int8x16_t a, b, c, d;
};

inline activations load_quarters(const std::int8_t* q) {
  return {load(q), load(q + 32), load(q + 64), load(q + 96)};
}

// Of a group; loads stand in the order of memory, so that they go in pairs.
struct pair_of_activations {
  activations low, high;
};

inline pair_of_activations load_group(const std::int8_t* q) {
  const int8x16_t a = load(q), b = load(q + 16), c = load(q + 32), d = load(q + 48);
  const int8x16_t e = load(q + 64), f = load(q + 80), g = load(q + 96), h = load(q + 112);
  return {{a, c, e, g}, {b, d, f, h}};
}

template <class Format>
inline void add(group_sums& to, const codes& w, const activations& q) {
  add(to.times[times_of<Format::shift(0)>], w.a, q.a);
  add(to.times[times_of<Format::shift(1)>], w.b, q.b);
  add(to.times[times_of<Format::shift(2)>], w.c, q.c);
  add(to.times[times_of<Format::shift(3)>], w.d, q.d);
}

// One row against T tokens. One token has two sums, so that one waits for the other less.
template <int T>
struct row_sums {
  static constexpr int chains = T == 1 ? 2 : 1;
  group_sums of[T * chains];

  int32x4_t token(int t) const {
    const int32x4_t sum = widened(of[t]);
    return chains == 1 ? sum : vaddq_s32(sum, widened(of[T * chains - 1]));
  }
};

// Adds a group of one row to the sums of T tokens, `stride` apart: codes are unpacked once.
template <class Format, int T>
inline void add_group(row_sums<T>& to, const std::uint8_t* w, const std::int8_t* q,
                      std::int64_t stride) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const codes c = unpack<Format>(load(w + 16 * half));
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      const activations x = load_quarters(q + t * stride + 16 * half);
      add<Format>(to.of[t + half * (to.chains - 1)], c, x);
    }
  }
}

inline std::int64_t next_stop(std::int64_t g, std::int64_t groups) {
  return groups - g < groups_before_widening ? groups : g + groups_before_widening;
}

// Row n against T tokens from token m on.
template <class Format, int T>
inline void row_by_tokens(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t groups = args.K / group_weights, ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = Format::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q + m * args.K;
  int32x4_t wide[T];
  for (auto& v : wide) v = vdupq_n_s32(0);
  for (std::int64_t g = 0; g < groups;) {
    row_sums<T> sums;
    for (const std::int64_t stop = next_stop(g, groups); g < stop; ++g) {
      prefetch(w + ahead);
      add_group<Format, T>(sums, w, q, args.K);
      w += Format::step(g);
      q += group_weights;
    }
    for (int t = 0; t < T; ++t) wide[t] = vaddq_s32(wide[t], sums.token(t));
  }
  for (int t = 0; t < T; ++t)
    args.y[(m + t) * args.N + n] = vaddvq_s32(wide[t]) - args.q_sum[m + t];
}

// Moves w on to the next row, whose bytes are loaded after this one's sums.
inline void add_row(group_sums& to, const std::uint8_t*& w, const pair_of_activations& q) {
  const uint8x16_t low = load(w), high = load(w + 16);
  add<native_i2_r4>(to, unpack<native_i2_r4>(low), q.low);
  add<native_i2_r4>(to, unpack<native_i2_r4>(high), q.high);
  w += 32;
  keep_order(w, to.times[0]);
}

// Four rows whose groups stand in one 128-byte line, against one token: the weights are one stream
// that the hardware prefetcher follows, and activations are loaded once for four rows.
inline void four_rows(const product_args& args, std::int64_t n) {
  const std::int64_t groups = args.K / group_weights, ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = native_i2_r4::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q;
  int32x4_t wide[4];
  for (auto& v : wide) v = vdupq_n_s32(0);
  for (std::int64_t g = 0; g < groups;) {
    group_sums sums[4];
    for (const std::int64_t stop = next_stop(g, groups); g < stop; ++g) {
      prefetch(w + ahead);
      prefetch(w + ahead + 64);
      const pair_of_activations x = load_group(q);
      for (auto& row : sums) add_row(row, w, x);
      q += group_weights;
    }
    for (int r = 0; r < 4; ++r) wide[r] = vaddq_s32(wide[r], widened(sums[r]));
  }
  for (int r = 0; r < 4 && n + r < args.row_end; ++r)
    args.y[n + r] = vaddvq_s32(wide[r]) - args.q_sum[0];
}

// What scaled.hpp asks for.
struct scaled_by_dot {
  // |sum| <= 128 * count <= 2^29.
  static std::int32_t sum_of(const std::int8_t* q, std::int64_t count) {
    int32x4_t wide = vdupq_n_s32(0);
    for (std::int64_t k = 0; k < count; k += 16) wide = vpadalq_s16(wide, vpaddlq_s8(load(q + k)));
    return vaddvq_s32(wide);
  }

  template <class Format, int T>
  static void scaled(const product_args& args, const std::int32_t* q_blocks, std::int64_t n,
                     std::int64_t m) {
    static_assert(Format::block_weights == 2 * group_weights);
    const std::int64_t groups = args.K / group_weights, blocks = (groups + 1) / 2;
    const std::int64_t ahead = args.tuned.prefetch_bytes;
    const std::uint8_t* w = Format::group(args.w, args.K, n, 0);
    const std::int8_t* q = args.q + m * args.K;
    float total[T] = {};
    for (std::int64_t b = 0; b < blocks; ++b) {
      row_sums<T> sums;
      prefetch(w + ahead);
      add_group<Format, T>(sums, w, q, args.K);
      if (2 * b + 1 < groups)
        add_group<Format, T>(sums, w + Format::step(0), q + group_weights, args.K);
      w += Format::step(0) + Format::step(1);
      q += Format::block_weights;
      const float d = Format::scale(args, n, b);
      for (int t = 0; t < T; ++t) {
        const std::int32_t sum = vaddvq_s32(sums.token(t)) - q_blocks[(m + t) * blocks + b];
        const float scale = d * activation_scale(args, blocks, m + t, b);
        total[t] += scale * static_cast<float>(sum);
      }
    }
    for (int t = 0; t < T; ++t) args.scaled[(m + t) * args.N + n] = total[t];
  }
};

template <class Format>
inline void scaled_rows(const product_args& args) {
  scaled_rows_by<Format, scaled_by_dot>(args);
}

template <class Format>
inline void gemv_rows(const product_args& args) {
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) row_by_tokens<Format, 1>(args, n, 0);
}

inline void gemv_four_rows(const product_args& args) {
  if (args.step == product_step::plan) args.needs->row_step = 4;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 4) four_rows(args, n);
}

}  // namespace
}  // namespace bp
