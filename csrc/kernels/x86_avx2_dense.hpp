// AVX2 parts that the kernels of embeddings and LM heads share: bytes to weights and codes.
#pragma once

#include "kernels/dense.hpp"
#include "kernels/x86_avx2.hpp"

namespace bp {
namespace {

inline __m128i load_half(const void* p) {
  return _mm_loadu_si128(static_cast<const __m128i*>(p));
}

// The float16 at p.
inline float half_at(const std::uint8_t* p) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}

// Eight float16, `stride` bytes apart.
template <int stride>
inline __m256 eight_halves(const std::uint8_t* p) {
  std::int16_t bits[8];
  for (int i = 0; i < 8; ++i) __builtin_memcpy(bits + i, p + i * stride, sizeof bits[i]);
  return _mm256_cvtph_ps(
      _mm_setr_epi16(bits[0], bits[1], bits[2], bits[3], bits[4], bits[5], bits[6], bits[7]));
}

// The codes 0 .. 63 of a run of 128 weights: c[i] byte l = weight 32 i + l.
struct codes_128 {
  __m256i c[4];
};

inline codes_128 q6_k_codes(const std::uint8_t* w, int run) {
  const __m256i a = load(w + 64 * run), b = load(w + 64 * run + 32);
  const __m256i high = load(w + dense_q6_k::high_at + 32 * run);
  const __m256i low = _mm256_set1_epi8(15), two = _mm256_set1_epi8(48);
  return {{
      _mm256_or_si256(_mm256_and_si256(a, low), _mm256_and_si256(_mm256_slli_epi16(high, 4), two)),
      _mm256_or_si256(_mm256_and_si256(b, low), _mm256_and_si256(_mm256_slli_epi16(high, 2), two)),
      _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), low), _mm256_and_si256(high, two)),
      _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(b, 4), low),
                      _mm256_and_si256(_mm256_srli_epi16(high, 2), two)),
  }};
}

// Sixteen int8 to int16: bytes 0 2 4 ... 14 | 1 3 5 ... 15.
inline __m256i even_and_odd_words(__m128i bytes) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
  return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(bytes, order));
}

// Word i of each half in all words of that half.
inline __m256i repeat_word(__m256i words, int i) {
  return _mm256_shuffle_epi8(words,
                             _mm256_set1_epi16(static_cast<short>((2 * i + 1) << 8 | 2 * i)));
}

// sc and m of the eight runs of a q4_k block.
struct q4_k_scales {
  __m128i scale, min;  // int16
};

inline q4_k_scales unpack_scales(const std::uint8_t* w) {
  const auto [scale, min] = dense_q4_k::unpack(w);
  return {_mm_cvtepu8_epi16(_mm_cvtsi64_si128(static_cast<long long>(scale))),
          _mm_cvtepu8_epi16(_mm_cvtsi64_si128(static_cast<long long>(min)))};
}

// The sum of four int32, exact, as float32.
inline float float_sum(__m128i v) {
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0x4e));  // {2 3 0 1}
  v = _mm_add_epi32(v, _mm_shuffle_epi32(v, 0xb1));  // {1 0 3 2}
  return _mm_cvtss_f32(_mm_cvtepi32_ps(v));
}

inline __m128i sum_halves(__m256i v) {
  return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

// sum += v. For several tokens here and in one register: left alone, GCC 12 computes the products
// of all tokens first, runs out of registers and keeps the sums in memory.
template <int tokens>
inline void add_in_place(__m256i& sum, __m256i v) {
  if (tokens == 1) {
    sum = _mm256_add_epi32(sum, v);
  } else {
    asm volatile("vpaddd %1, %0, %0" : "+x"(sum) : "x"(v));
  }
}

// The nibbles of a q4_0 block, 0 .. 15, in the order of its weights.
inline __m256i q4_0_nibbles(const std::uint8_t* w) {
  const __m128i bytes = load_half(w + 2);
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
}

}  // namespace
}  // namespace bp
