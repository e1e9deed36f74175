// AVX2 encoders of the two-bit codecs: a maximum over the block, then a few comparisons a value
// instead of a division (device_tl2 divides). Blocks that the comparisons do not cover (an
// infinity, a scale of 0), and blocks that do not end on a whole byte, take the scalar path.
#pragma once

#include <immintrin.h>

#include "kernels/block_quantize/scalar.hpp"
#include "kernels/block_quantize/steps.hpp"

namespace bp {
namespace {

// Bytes ahead of the values being read: past what the hardware prefetcher has asked for.
constexpr int prefetch_ahead = 4096;

// The largest of the eight magnitudes.
inline float across(__m256 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

inline __m256 magnitudes(const float* x) {
  return _mm256_and_ps(_mm256_loadu_ps(x), _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)));
}

// absmax() of codecs.hpp. vmaxps gives its second operand where one is NaN: the running maximum.
inline float absmax_avx2(const float* x, std::int64_t n) {
  __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    _mm_prefetch(reinterpret_cast<const char*>(x + i) + prefetch_ahead, _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(x + i + 16) + prefetch_ahead, _MM_HINT_T0);
    a = _mm256_max_ps(magnitudes(x + i), a);
    b = _mm256_max_ps(magnitudes(x + i + 8), b);
    c = _mm256_max_ps(magnitudes(x + i + 16), c);
    d = _mm256_max_ps(magnitudes(x + i + 24), d);
  }
  for (; i + 8 <= n; i += 8) a = _mm256_max_ps(magnitudes(x + i), a);
  const float most = across(_mm256_max_ps(_mm256_max_ps(a, b), _mm256_max_ps(c, d)));
  if (i == n) return most;
  const float rest = absmax(x + i, n - i);
  return rest > most ? rest : most;
}

// The smallest float32 not below mid[j] * s for each j, for finite s.
inline __m128 thresholds(__m256d mid, float s) {
  const __m256d exact = _mm256_mul_pd(mid, _mm256_set1_pd(s));
  const __m128 near = _mm256_cvtpd_ps(exact);
  const __m256 below = _mm256_castpd_ps(_mm256_cmp_pd(_mm256_cvtps_pd(near), exact, _CMP_LT_OQ));
  // The low half of each 64-bit mask: {b0 b0 b1 b1 | b2 b2 b3 b3} -> {b0 b1 b2 b3}.
  const __m128 up =
      _mm_shuffle_ps(_mm256_castps256_ps128(below), _mm256_extractf128_ps(below, 1), 0x88);
  // One float32 up is +1 on the bits of a positive number, -1 on those of a negative one.
  const __m128i bits = _mm_castps_si128(near);
  const __m128i one = _mm_or_si128(_mm_srai_epi32(bits, 31), _mm_set1_epi32(1));
  return _mm_castsi128_ps(_mm_add_epi32(bits, _mm_and_si128(_mm_castps_si128(up), one)));
}

template <int j>
inline __m256 every(__m128 v) {
  return _mm256_broadcastss_ps(_mm_shuffle_ps(v, v, j * 0x55));
}

inline __m256i at_least(__m256 x, __m256 threshold) {
  return _mm256_castps_si256(_mm256_cmp_ps(x, threshold, _CMP_GE_OQ));
}

// quant_i2s, device_i2s, kernel_i2s: +1, 0, -1.
template <int compare_up, int compare_down>
struct sign_steps {
  __m256 high, low;

  explicit sign_steps(float s) : high(_mm256_set1_ps(s)), low(_mm256_set1_ps(-s)) {}
  __m256i lanes(__m256 x) const {
    const __m256 twice = _mm256_add_ps(x, x);
    const __m256i up = _mm256_castps_si256(_mm256_cmp_ps(twice, high, compare_up));
    const __m256i down = _mm256_castps_si256(_mm256_cmp_ps(twice, low, compare_down));
    return _mm256_sub_epi32(down, up);  // true is -1
  }
};

// Codes of 32 values as 64 bits, value i at bits 2 i. The lanes become bytes in the order of
//   v0 v1 v2 v3 = {0-3 | 4-7} {8-11 | 12-15} {16-19 | 20-23} {24-27 | 28-31}
//   packed:  {0-3 8-11 16-19 24-27 | 4-7 12-15 20-23 28-31}
// then four bytes c0 c1 c2 c3 become c0 + 4 c1 + 16 c2 + 64 c3 in each of the eight dwords, and the
// two halves interleave: dword i of the low half is byte 2 i, of the high half byte 2 i + 1.
template <class Steps>
inline std::uint64_t pack32(const Steps& steps, const float* x) {
  const __m256i v0 = steps.lanes(_mm256_loadu_ps(x));
  const __m256i v1 = steps.lanes(_mm256_loadu_ps(x + 8));
  const __m256i v2 = steps.lanes(_mm256_loadu_ps(x + 16));
  const __m256i v3 = steps.lanes(_mm256_loadu_ps(x + 24));
  const __m256i codes =
      Steps::codes(_mm256_packs_epi16(_mm256_packs_epi32(v0, v1), _mm256_packs_epi32(v2, v3)));
  const __m256i pairs = _mm256_maddubs_epi16(codes, _mm256_set1_epi16(0x0401));
  const __m256i bytes = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00100001));
  const __m128i both = _mm_or_si128(_mm256_castsi256_si128(bytes),
                                    _mm_slli_epi32(_mm256_extracti128_si256(bytes, 1), 8));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_packus_epi32(both, both)));
}

// Up to 32 values; unused bits are zero.
template <class Steps>
inline std::uint64_t pack_some(const Steps& steps, const float* x, std::int64_t n) {
  float padded[32] = {};
  __builtin_memcpy(padded, x, static_cast<std::size_t>(n) * sizeof(float));
  return pack32(steps, padded) & ((std::uint64_t{1} << (2 * n)) - 1);
}

// Codes of one block whose values are x[0 .. n) and whose first byte is `at`.
template <class Codec, class Steps>
inline void encode_block(const block_quantize_args& args, const Steps& steps, const float* x,
                         std::int64_t n, std::int64_t at) {
  std::int64_t i = 0;
  for (; i + 32 <= n && at + 8 <= args.data_bytes; i += 32, at += 8) {
    std::uint64_t word = pack32(steps, x + i);
    if constexpr (Codec::merges) {
      std::uint64_t old;
      __builtin_memcpy(&old, args.data + at, 8);
      word |= old;
    }
    __builtin_memcpy(args.data + at, &word, 8);
  }
  for (; i < n; i += 32) {
    const std::int64_t some = n - i < 32 ? n - i : 32;
    std::uint64_t word = some == 32 ? pack32(steps, x + i) : pack_some(steps, x + i, some);
    for (std::int64_t k = 0; k < some; k += 4, word >>= 8)
      put_byte<Codec::merges>(args, at++, word & 0xff);
  }
}

// Maximum, thresholds and codes of one block are one long chain of latencies, those of eight blocks
// overlap. Steps is a rule of steps.hpp; Steps(most) compares.
template <class Codec, class Steps>
inline void encode_blocks_avx2(const block_quantize_args& args) {
  if (args.block % 4 != 0) {
    encode_blocks<Codec>(args, args.block_begin, args.block_end);
    return;
  }
  constexpr std::int64_t most_blocks = 8;
  const auto values = [&](std::int64_t b) {
    const std::int64_t left = args.count - b * args.block;
    return left < args.block ? left : args.block;
  };
  // As many blocks as stay in the L1 cache between their two readings.
  const std::int64_t fit = 2048 / args.block;
  const std::int64_t group = fit < 1 ? 1 : fit < most_blocks ? fit : most_blocks;
  for (std::int64_t b = args.block_begin; b < args.block_end; b += group) {
    const std::int64_t blocks = args.block_end - b < group ? args.block_end - b : group;
    const float* x = args.x + b * args.block;
    float most[most_blocks];
    for (std::int64_t j = 0; j < blocks; ++j)
      most[j] = absmax_avx2(x + j * args.block, values(b + j));
    for (std::int64_t j = 0; j < blocks; ++j) {
      if (!Steps::admits(most[j])) [[unlikely]] {
        encode_blocks<Codec>(args, b + j, b + j + 1);
        continue;
      }
      args.scales[b + j] = Steps::scale(most[j]);
      encode_block<Codec>(args, Steps(most[j]), x + j * args.block, values(b + j),
                          (b + j) * args.block / 4);
    }
  }
}

}  // namespace
}  // namespace bp
