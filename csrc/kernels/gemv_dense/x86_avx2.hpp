// AVX2 rows of the dense products of formats with int8 activations.
#pragma once

#include "kernels/gemv_dense/eight.hpp"
#include "kernels/x86_avx2_dense.hpp"

namespace bp {
namespace {

// Row n against T tokens: q6_k. Codes 0 .. 63 are the unsigned operand, and 32 * sc * sum(q) is
// taken off each run: pair sums are at most 2 * 63 * 127 = 16002.
template <int T>
inline void q6_k_row(const dense_args& args, std::int64_t n, std::int64_t m) {
  using format = dense_q6_k;
  const std::int64_t K = args.K, blocks = K / format::block;
  const std::uint8_t* w = args.w + n * blocks * format::bytes;
  const std::int8_t* q = args.q + m * K;
  const std::int16_t* q_sum = args.q_sum + m * K / 16;
  float total[T] = {};
  for (std::int64_t b = 0; b < blocks; ++b, w += format::bytes, q += format::block, q_sum += 16) {
    const __m128i scales = load_half(w + format::scales_at);
    const __m256i spread = even_and_odd_words(scales);
    __m256i sum[T];
    for (auto& v : sum) v = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (int run = 0; run < 2; ++run) {
      const codes_128 c = q6_k_codes(w, run);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const __m256i scale = repeat_word(spread, 4 * run + i);
        if (i % 2 == 0) args.ahead.ask(w + 128 * run + 32 * i);
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) {
          const __m256i pairs = _mm256_maddubs_epi16(c.c[i], load(q + t * K + 128 * run + 32 * i));
          add_in_place<T>(sum[t], _mm256_madd_epi16(pairs, scale));
        }
      }
    }
    const float d = half_at(w + format::scale_at);
    for (int t = 0; t < T; ++t) {
      const __m256i offset =
          _mm256_madd_epi16(_mm256_cvtepi8_epi16(scales), load(q_sum + t * K / 16));
      const __m256i exact = _mm256_sub_epi32(sum[t], _mm256_slli_epi32(offset, 5));
      total[t] += d * args.q_scale[(m + t) * blocks + b] * float_sum(sum_halves(exact));
    }
  }
  for (int t = 0; t < T; ++t) args.out[(m + t) * args.N + n] = total[t];
}

// Row n against T tokens: q4_k. Pair sums are at most 2 * 15 * 127.
template <int T>
inline void q4_k_row(const dense_args& args, std::int64_t n, std::int64_t m) {
  using format = dense_q4_k;
  const std::int64_t K = args.K, blocks = K / format::block;
  const std::uint8_t* w = args.w + n * blocks * format::bytes;
  const std::int8_t* q = args.q + m * K;
  const std::int16_t* q_sum = args.q_sum + m * K / 32;
  float total[T] = {};
  for (std::int64_t b = 0; b < blocks; ++b, w += format::bytes, q += format::block, q_sum += 8) {
    const q4_k_scales scales = unpack_scales(w);
    const __m256i spread = _mm256_broadcastsi128_si256(scales.scale);
    __m256i sum[T];
    for (auto& v : sum) v = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      if (i < 3) args.ahead.ask(w + 48 * i);
      const __m256i bytes = load(w + format::codes_at + 32 * i), mask = _mm256_set1_epi8(15);
      const __m256i low = _mm256_and_si256(bytes, mask);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
      const __m256i s_low = repeat_word(spread, 2 * i), s_high = repeat_word(spread, 2 * i + 1);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        const std::int8_t* x = q + t * K + 64 * i;
        const __m256i a = _mm256_madd_epi16(_mm256_maddubs_epi16(low, load(x)), s_low);
        const __m256i c = _mm256_madd_epi16(_mm256_maddubs_epi16(high, load(x + 32)), s_high);
        add_in_place<T>(sum[t], _mm256_add_epi32(a, c));
      }
    }
    const float d = half_at(w), d_min = half_at(w + 2);
    for (int t = 0; t < T; ++t) {
      const float d_x = args.q_scale[(m + t) * blocks + b];
      const __m128i min = _mm_madd_epi16(scales.min, load_half(q_sum + t * K / 32));
      total[t] += d * d_x * float_sum(sum_halves(sum[t]));
      total[t] -= d_min * d_x * float_sum(min);
    }
  }
  for (int t = 0; t < T; ++t) args.out[(m + t) * args.N + n] = total[t];
}

// The sums of eight vectors of int32, in order. (Blends and one turn instead of each hadd are a
// third more instructions and no faster on Zen 3.)
//   hadd        a01 a23 b01 b23 | a45 a67 b45 b67
//   hadd        a0-3 b0-3 c0-3 d0-3 | a4-7 b4-7 c4-7 d4-7
//   add halves  a b c d | e f g h
template <class Dot>
inline __m256i eight_sums(Dot dot) {
  const __m256i low = _mm256_hadd_epi32(_mm256_hadd_epi32(dot(0), dot(1)),  //
                                        _mm256_hadd_epi32(dot(2), dot(3)));
  const __m256i high = _mm256_hadd_epi32(_mm256_hadd_epi32(dot(4), dot(5)),  //
                                         _mm256_hadd_epi32(dot(6), dot(7)));
  return _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20),
                          _mm256_permute2x128_si256(low, high, 0x31));
}

// The products of one block as eight int32, and what is still to be taken off their sum.
template <class Format>
inline __m256i block_products(const std::uint8_t* w, const std::int8_t* q);

// |w| is the unsigned operand (128 for -128), q takes the sign: at most 2 * 128 * 127 = 32512.
template <>
inline __m256i block_products<dense_q8_0>(const std::uint8_t* w, const std::int8_t* q) {
  const __m256i codes = load(w + 2);
  const __m256i pairs =
      _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(load(q), codes));
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

template <>
inline __m256i block_products<dense_q4_0>(const std::uint8_t* w, const std::int8_t* q) {
  return _mm256_madd_epi16(_mm256_maddubs_epi16(q4_0_nibbles(w), load(q)), _mm256_set1_epi16(1));
}

template <class Format>
constexpr int code_offset = 0;
template <>
constexpr int code_offset<dense_q4_0> = 8;

// Row n against token m: q8_0, q4_0, eight blocks at a time, one in each lane.
template <class Format>
inline void lanes_row(const dense_args& args, std::int64_t n, std::int64_t m) {
  constexpr int offset = code_offset<Format>;
  const std::int64_t blocks = args.K / Format::block;
  const std::uint8_t* w = args.w + n * blocks * Format::bytes;
  const std::int8_t* q = args.q + m * args.K;
  const float* d_x = args.q_scale + m * blocks;
  const std::int16_t* q_sum = offset != 0 ? args.q_sum + m * blocks : nullptr;
  __m256 lanes = _mm256_setzero_ps();
  std::int64_t b = 0;
  for (; b + 8 <= blocks; b += 8, w += 8 * Format::bytes, q += 8 * Format::block) {
    __m256i sums = eight_sums([&args, w, q](int i) {
      if (i * Format::bytes / 64 != (i - 1) * Format::bytes / 64 || i == 0)
        args.ahead.ask(w + i * Format::bytes);
      return block_products<Format>(w + i * Format::bytes, q + i * Format::block);
    });
    if (offset != 0) {
      const __m256i q_sums = _mm256_cvtepi16_epi32(load_half(q_sum + b));
      sums = _mm256_sub_epi32(sums, _mm256_mullo_epi32(q_sums, _mm256_set1_epi32(offset)));
    }
    const __m256 d = _mm256_mul_ps(eight_halves<Format::bytes>(w), _mm256_loadu_ps(d_x + b));
    lanes = _mm256_add_ps(lanes, _mm256_mul_ps(d, _mm256_cvtepi32_ps(sums)));
  }
  alignas(32) float lane[8];
  _mm256_store_ps(lane, lanes);
  for (int i = 0; b < blocks; ++i, ++b, w += Format::bytes, q += Format::block) {
    std::int32_t sum = sum_lanes(block_products<Format>(w, q));
    if (offset != 0) sum -= offset * q_sum[b];
    lane[i] += half_at(w) * d_x[b] * static_cast<float>(sum);
  }
  args.out[m * args.N + n] = sum_lanes(_mm256_load_ps(lane));
}

template <class Format>
inline void lanes_rows(const dense_args& args) {
  walk<1>(args, [&](auto, std::int64_t n, std::int64_t m) { lanes_row<Format>(args, n, m); });
}

inline void q6_k_rows(const dense_args& args) {
  walk<4>(args, [&](auto count, std::int64_t n, std::int64_t m) {
    q6_k_row<decltype(count)::value>(args, n, m);
  });
}

inline void q4_k_rows(const dense_args& args) {
  walk<4>(args, [&](auto count, std::int64_t n, std::int64_t m) {
    q4_k_row<decltype(count)::value>(args, n, m);
  });
}

}  // namespace
}  // namespace bp
