// Blocks to float32 with AVX2.
#pragma once

#include "kernels/embed/eight.hpp"
#include "kernels/x86_avx2_dense.hpp"

namespace bp {
namespace {

// Eight int8 as float32.
inline __m256 eight_floats(__m128i bytes) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

// The codes of 32 weights by `scale`, less `offset`.
inline void scale_32(__m256i codes, __m256 scale, __m256 offset, float* out) {
  const __m128i low = _mm256_castsi256_si128(codes), high = _mm256_extracti128_si256(codes, 1);
  const __m128i eights[4] = {low, _mm_srli_si128(low, 8), high, _mm_srli_si128(high, 8)};
  for (int i = 0; i < 4; ++i) {
    const __m256 product = _mm256_mul_ps(eight_floats(eights[i]), scale);
    _mm256_storeu_ps(out + 8 * i, _mm256_sub_ps(product, offset));
  }
}

template <>
inline void embed_row<dense_q8_0>(const std::uint8_t* w, std::int64_t K, float* out) {
  for (std::int64_t k = 0; k < K; k += 32, w += dense_q8_0::bytes)
    scale_32(load(w + 2), _mm256_set1_ps(half_at(w)), _mm256_setzero_ps(), out + k);
}

template <>
inline void embed_row<dense_q4_0>(const std::uint8_t* w, std::int64_t K, float* out) {
  for (std::int64_t k = 0; k < K; k += 32, w += dense_q4_0::bytes) {
    const __m256i codes = _mm256_sub_epi8(q4_0_nibbles(w), _mm256_set1_epi8(8));
    scale_32(codes, _mm256_set1_ps(half_at(w)), _mm256_setzero_ps(), out + k);
  }
}

template <>
inline void embed_row<dense_q6_k>(const std::uint8_t* w, std::int64_t K, float* out) {
  using format = dense_q6_k;
  for (std::int64_t k = 0; k < K; k += format::block, w += format::bytes) {
    const float d = half_at(w + format::scale_at);
    alignas(32) std::int8_t codes[format::block];
    for (int i = 0; i < 8; ++i) {
      const codes_128 run = q6_k_codes(w, i / 4);
      store(codes + 32 * i, _mm256_sub_epi8(run.c[i % 4], _mm256_set1_epi8(32)));
    }
    for (int i = 0; i < format::block; i += 8) {
      const float scale = d * static_cast<float>(format::run_scale(w, i / 16));
      const __m256 q = eight_floats(_mm_loadl_epi64(reinterpret_cast<__m128i*>(codes + i)));
      _mm256_storeu_ps(out + k + i, _mm256_mul_ps(q, _mm256_set1_ps(scale)));
    }
  }
}

template <>
inline void embed_row<dense_q4_k>(const std::uint8_t* w, std::int64_t K, float* out) {
  using format = dense_q4_k;
  for (std::int64_t k = 0; k < K; k += format::block, w += format::bytes) {
    const float d = half_at(w), d_min = half_at(w + 2);
    for (int run = 0; run < 8; ++run) {
      const __m256i bytes = load(w + format::codes_at + run / 2 * 32);
      const __m256i codes = _mm256_and_si256(run % 2 == 0 ? bytes : _mm256_srli_epi16(bytes, 4),
                                             _mm256_set1_epi8(15));
      scale_32(codes, _mm256_set1_ps(d * static_cast<float>(format::run_scale(w, run))),
               _mm256_set1_ps(d_min * static_cast<float>(format::run_min(w, run))),
               out + k + 32 * run);
    }
  }
}

}  // namespace
}  // namespace bp
