// AVX-512 VNNI products of native_i2_r16, a line of 64 bytes at a time: dword i of a group of
// sixteen rows, one in each lane, whose quarter s meets activations 32 s + 4 i .. + 3 in all lanes.
// No sum crosses lanes. For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/distances.hpp"
#include "kernels/gemm/tiles.hpp"
#include "kernels/gemv/x86_avx512vnni.hpp"

namespace bp {
namespace {

constexpr int group_lines = 8;
constexpr std::int64_t line_bytes = 64, lines_of_group = group_lines * line_bytes;

inline distances distances_of(const product_args& args) {
  return {args.tuned.far_prefetch_bytes, args.tuned.near_prefetch_bytes};
}

// Sums of sixteen rows and T tokens, in chains enough that a step is not shorter than a latency.
template <int T>
struct line_sums {
  static constexpr int chains = T <= 4 ? 4 : 2;
  __m512i of[T][chains];

  inline __attribute__((always_inline)) void clear() {
    for (auto& token : of)
      for (auto& chain : token) chain = _mm512_setzero_si512();
  }

  inline __attribute__((always_inline)) __m512i token(int t) const {
    const __m512i sum = _mm512_add_epi32(of[t][0], of[t][1]);
    if constexpr (chains == 2) return sum;
    return _mm512_add_epi32(sum, _mm512_add_epi32(of[t][chains - 2], of[t][chains - 1]));
  }

  template <int s, int... t>
  inline __attribute__((always_inline)) void add_quarter(numbers<t...>, __m512i line,
                                                         const std::int8_t* q, std::int64_t K) {
    const __m512i codes = codes_of<s>(line);
    ((of[t][s % chains] =
          _mm512_dpbusd_epi32(of[t][s % chains], codes, in_all_lanes(q + t * K + 32 * s))),
     ...);
  }

  // The group at w, whose activations are those from q on, of tokens K apart.
  inline __attribute__((always_inline)) void add_group(const std::uint8_t* w, const std::int8_t* q,
                                                       std::int64_t K, distances ahead) {
    constexpr typename numbers_below<T>::type all{};
#pragma GCC unroll 8
    for (int i = 0; i < group_lines; ++i) {
      ahead.ask(w + i * line_bytes);
      __m512i line = load_line(w + i * line_bytes);
      asm volatile("" : "+v"(line));  // read once: GCC 12 reads it for each quarter otherwise
      add_quarter<0>(all, line, q + 4 * i, K);
      add_quarter<1>(all, line, q + 4 * i, K);
      add_quarter<2>(all, line, q + 4 * i, K);
      add_quarter<3>(all, line, q + 4 * i, K);
    }
  }
};

inline __mmask16 rows_of_line(std::int64_t rows) {
  return static_cast<__mmask16>(rows >= 16 ? 0xffff : (1 << rows) - 1);
}

// Rows n .. n + 15 against the tokens m .. m + T - 1.
template <int T>
inline void lines_by_tokens(const product_args& args, std::int64_t n, std::int64_t m) {
  const distances ahead = distances_of(args);
  const std::uint8_t* w = native_i2_r16::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q + m * args.K;
  line_sums<T> sums;
  sums.clear();
  for (std::int64_t k = 0; k < args.K; k += group_weights, w += lines_of_group) {
    sums.add_group(w, q + k, args.K, ahead);
  }
  const __mmask16 mask = rows_of_line(args.row_end - n);
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const __m512i q_sum = _mm512_set1_epi32(args.q_sum[m + t]);
    _mm512_mask_storeu_epi32(args.y + (m + t) * args.N + n, mask,
                             _mm512_sub_epi32(sums.token(t), q_sum));
  }
}

// The same with a scale in each block of 256 columns: those of the weights stand `blocks` apart.
inline void scaled_lines(const product_args& args, const std::int32_t* q_blocks, std::int64_t n,
                         std::int64_t m) {
  constexpr std::int64_t block_groups = native_i2_r16::block_weights / group_weights;
  const std::int64_t groups = args.K / group_weights;
  const std::int64_t blocks = (groups + block_groups - 1) / block_groups;
  const __mmask16 mask = rows_of_line(args.row_end - n);
  const std::uint8_t* w = native_i2_r16::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q + m * args.K;
  __m512 total = _mm512_setzero_ps();
  for (std::int64_t b = 0; b < blocks; ++b) {
    line_sums<1> sums;
    sums.clear();
    for (std::int64_t g = b * block_groups; g < (b + 1) * block_groups && g < groups; ++g) {
      sums.add_group(w, q + g * group_weights, args.K, distances_of(args));
      w += lines_of_group;
    }
    alignas(64) float d[16] = {};
    for (std::int64_t r = 0; r < 16 && n + r < args.row_end; ++r)
      d[r] = native_i2_r16::scale(args, n + r, b) * activation_scale(args, blocks, m, b);
    const __m512i sum =
        _mm512_sub_epi32(sums.token(0), _mm512_set1_epi32(q_blocks[m * blocks + b]));
    total = _mm512_add_ps(total, _mm512_mul_ps(_mm512_load_ps(d), _mm512_cvtepi32_ps(sum)));
  }
  _mm512_mask_storeu_ps(args.scaled + m * args.N + n, mask, total);
}

// Everything of a product whose blocks have scales.
inline void scaled_by_lines(const product_args& args) {
  if (args.step != product_step::rows) {
    prepare_block_sums<native_i2_r16, scaled_by_pairs>(args);
    if (args.step == product_step::plan) args.needs->row_step = 16;
    return;
  }
  const auto* q_blocks = reinterpret_cast<const std::int32_t*>(args.shared);
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 16)
    for (std::int64_t m = 0; m < args.M; ++m) scaled_lines(args, q_blocks, n, m);
}

}  // namespace
}  // namespace bp
