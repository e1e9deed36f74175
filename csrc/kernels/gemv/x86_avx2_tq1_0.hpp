// AVX2 rows of tq1_0: trits by multiplication and comparison, codes 0, 1, 2 against activations.
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/tq1_0_rows.hpp"
#include "kernels/half.hpp"
#include "kernels/x86_avx2.hpp"

namespace bp {
namespace {

inline __m256i times_3(__m256i v) {
  return _mm256_add_epi8(v, _mm256_add_epi8(v, v));
}

// The leading trit of each byte b, a fraction of 256: 1 from 86 on (256 / 3 = 85.3), 2 from 171 on.
// Bytes are stored with the top bit flipped, so that the signed comparison orders them; flipped
// bytes times 3 are the flipped products: 3 (b + 128) = 3 b + 128 modulo 256.
inline __m256i leading_trit(__m256i flipped) {
  const __m256i one = _mm256_cmpgt_epi8(flipped, _mm256_set1_epi8(85 - 128));
  const __m256i two = _mm256_cmpgt_epi8(flipped, _mm256_set1_epi8(170 - 128));
  return _mm256_sub_epi8(_mm256_sub_epi8(_mm256_setzero_si256(), one), two);
}

// codes[i] byte j: code of weight 32 i + j of the block.
//   0-4   32 bytes times 1, 3, 9, 27, 81
//   5-7   16 bytes t, 4 bytes h: t | 3t, 9t | 27t, 81t | h 3h 9h 27h
inline void block_codes(const std::uint8_t* w, __m256i codes[8]) {
  const __m256i flip = _mm256_set1_epi8(-128);
  __m256i v = _mm256_xor_si256(load(w), flip);
  for (int i = 0; i < 5; ++i, v = times_3(v)) codes[i] = leading_trit(v);

  const __m128i tail = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 32));
  const __m256i t = _mm256_xor_si256(_mm256_broadcastsi128_si256(tail), flip);
  const __m256i t1 = _mm256_blend_epi32(t, times_3(t), 0xf0);
  const __m256i t9 = times_3(times_3(t1));
  std::int32_t last;
  __builtin_memcpy(&last, w + 48, sizeof last);
  const __m256i h = _mm256_xor_si256(_mm256_set1_epi32(last), flip);
  const __m256i h3 = times_3(h), h9 = times_3(h3), h27 = times_3(h9);
  const __m256i h_all =
      _mm256_blend_epi32(_mm256_blend_epi32(h, h3, 0x20), _mm256_blend_epi32(h9, h27, 0x80), 0xc0);
  codes[5] = leading_trit(t1);
  codes[6] = leading_trit(t9);
  codes[7] = leading_trit(_mm256_blend_epi32(times_3(times_3(t9)), h_all, 0xf0));
}

// 16 sums of int16: eight pair sums of at most 512 in magnitude, 4096.
inline __m256i block_sums(const __m256i codes[8], const std::int8_t* q) {
  __m256i sum = _mm256_maddubs_epi16(codes[0], load(q));
  for (int i = 1; i < 8; ++i)
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(codes[i], load(q + 32 * i)));
  return sum;
}

// Eight blocks reach -32768 at the lowest and 8 * 8 * 4 * 127 = 32512 at the highest.
constexpr std::int64_t blocks_before_widening = 8;

// Row n against T tokens from token m on: codes are unpacked once for all of them.
template <int T>
inline void tq1_0_row(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t blocks = args.K / tq1_0::block_weights;
  const std::uint8_t* w = args.w + n * blocks * tq1_0::block_bytes;
  const std::int8_t* q = args.q + m * args.K;
  __m256i wide[T];
  for (auto& v : wide) v = _mm256_setzero_si256();
  for (std::int64_t b = 0; b < blocks;) {
    const std::int64_t left = blocks - b;
    const std::int64_t stop = b + (left < blocks_before_widening ? left : blocks_before_widening);
    __m256i narrow[T];
    for (auto& v : narrow) v = _mm256_setzero_si256();
    for (; b < stop; ++b, w += tq1_0::block_bytes, q += tq1_0::block_weights) {
      prefetch(w + args.tuned.prefetch_bytes);
      __m256i codes[8];
      block_codes(w, codes);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t)
        narrow[t] = _mm256_add_epi16(narrow[t], block_sums(codes, q + t * args.K));
    }
    for (int t = 0; t < T; ++t) wide[t] = widen(wide[t], narrow[t]);
  }
  for (int t = 0; t < T; ++t) args.y[(m + t) * args.N + n] = sum_lanes(wide[t]) - args.q_sum[m + t];
}

// scaled[m, n]: blocks in order, d_b * float32(sum_b); sum_b from code - 1, by 1 * q off the sum.
inline void tq1_0_scaled_row(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t blocks = args.K / tq1_0::block_weights;
  const std::uint8_t* w = args.w + n * blocks * tq1_0::block_bytes;
  const std::int8_t* q = args.q + m * args.K;
  __m256i ones[8];
  for (auto& v : ones) v = _mm256_set1_epi8(1);
  float total = 0.0f;
  for (std::int64_t b = 0; b < blocks; ++b) {
    __m256i codes[8];
    block_codes(w, codes);
    const __m256i sums = _mm256_sub_epi16(block_sums(codes, q), block_sums(ones, q));
    const std::int32_t sum = sum_lanes(widen(_mm256_setzero_si256(), sums));
    const float d = half_to_float(w + tq1_0::scale_offset) * activation_scale(args, blocks, m, b);
    total += d * static_cast<float>(sum);
    w += tq1_0::block_bytes;
    q += tq1_0::block_weights;
  }
  args.scaled[m * args.N + n] = total;
}

inline void tq1_0_by_rows(const product_args& args) {
  tq1_0_rows<tq1_0_row<4>, tq1_0_row<1>, tq1_0_scaled_row>(args);
}

}  // namespace
}  // namespace bp
