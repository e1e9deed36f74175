// 16 rows of a panel fill one vector, and two panels are used at a time: a token's four activations
// are broadcast once for 32 rows.
#pragma once

#include <iterator>

#include "kernels/gemm/x86_avx512_scales.hpp"
#include "kernels/gemm/x86_dot.hpp"
#include "kernels/x86_avx512.hpp"

namespace bp {
namespace {

// One or two panels and the sums of all tokens of a block: 16 and 32 KiB.
struct panels {
  alignas(64) std::uint8_t codes[2][panel_rows * panel_columns];
  // Of codes 0, 1, 2: |sum| <= 2 * 128 * K <= 2^30, as everywhere below.
  alignas(64) std::int32_t sums[2 * token_block * panel_rows];  // [tokens][panels][16]
};

// a, b += w0 . q, w1 . q with one dword of activations in all lanes, written out as the other.
inline __attribute__((always_inline)) void add_dword(__m512i& a, __m512i& b, __m512i w0, __m512i w1,
                                                     const std::uint8_t* q) {
  __m512i all;
  asm volatile(
      "vpbroadcastd %[q], %[all]\n vpdpbusd %[all], %[w0], %[a]\n vpdpbusd %[all], %[w1], %[b]"
      : [a] "+v"(a), [b] "+v"(b), [all] "=&v"(all)
      : [w0] "v"(w0), [w1] "v"(w1), [q] "m"(*reinterpret_cast<const int(*)[1]>(q)));
}

template <int T, int... t>
inline __attribute__((always_inline)) void add_two(numbers<t...>, const panels& from,
                                                   const std::uint8_t* q, std::int64_t steps,
                                                   std::int32_t* to) {
  const std::uint8_t* w = from.codes[0];
  constexpr std::int64_t other = sizeof from.codes[0];
  __m512i a[T], b[T];
  ((a[t] = _mm512_load_si512(to + 32 * t), b[t] = _mm512_load_si512(to + 32 * t + 16)), ...);
  for (std::int64_t j = 0; j < steps; ++j, w += 64, q += 4 * T) {
    const __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + other);
    (add_dword(a[t], b[t], w0, w1, q + 4 * t), ...);
  }
  ((_mm512_store_si512(to + 32 * t, a[t]), _mm512_store_si512(to + 32 * t + 16, b[t])), ...);
}

template <int T, int... t>
inline __attribute__((always_inline)) void add_one(numbers<t...>, const panels& from,
                                                   const std::uint8_t* q, std::int64_t steps,
                                                   std::int32_t* to) {
  const std::uint8_t* w = from.codes[0];
  __m512i a[T];
  ((a[t] = _mm512_load_si512(to + 16 * t)), ...);
  for (std::int64_t j = 0; j < steps; ++j, w += 64, q += 4 * T) {
    const __m512i w0 = _mm512_load_si512(w);
    (add_dword(a[t], w0, q + 4 * t), ...);
  }
  (_mm512_store_si512(to + 16 * t, a[t]), ...);
}

template <int P, int T>
inline void add_panels(const panels& from, const std::uint8_t* q, std::int64_t steps,
                       std::int32_t* sums) {
  constexpr typename numbers_below<T>::type all{};
  P == 2 ? add_two<T>(all, from, q, steps, sums) : add_one<T>(all, from, q, steps, sums);
}

using add_function = void (*)(const panels&, const std::uint8_t*, std::int64_t, std::int32_t*);
template <int P>
constexpr add_function by_tokens[] = {add_panels<P, 1>,  add_panels<P, 2>,  add_panels<P, 3>,
                                      add_panels<P, 4>,  add_panels<P, 5>,  add_panels<P, 6>,
                                      add_panels<P, 7>,  add_panels<P, 8>,  add_panels<P, 9>,
                                      add_panels<P, 10>, add_panels<P, 11>, add_panels<P, 12>};

struct sixteen_lanes {
  static constexpr std::int64_t most = std::size(by_tokens<2>);
  static constexpr bool floats = true;

  // Rows n .. n + 16 P - 1 against the tokens from m on.
  template <int P, class Panel>
  static void some_rows(const product_args& args, std::int64_t n, std::int64_t m_begin,
                        std::int64_t tokens, panels& work) {
    for (std::int64_t m = 0; m < tokens; ++m) {
      for (int p = 0; p < P; ++p)
        _mm512_store_si512(work.sums + (m * P + p) * 16,
                           _mm512_set1_epi32(-args.q_sum[m_begin + m]));
    }
    for (std::int64_t k = 0; k < args.K; k += Panel::width) {
      const std::int64_t left = args.K - k, columns = left < Panel::width ? left : Panel::width;
      for (int p = 0; p < P; ++p) Panel::fill(args, n + 16 * p, k, columns, work.codes[p]);
      for (std::int64_t i = 0; i < tiles_of(tokens, most); ++i) {
        const tile part = tile_at(tokens, most, i);
        const std::uint8_t* q = args.shared + (m_begin + part.m) * args.K + k * part.tokens;
        by_tokens<P>[part.tokens - 1](work, q, columns / 4, work.sums + part.m * P * 16);
      }
    }
    const std::int64_t left = args.row_end - n, rows = left < 16 * P ? left : 16 * P;
    for (std::int64_t m = 0; m < tokens; ++m)
      store_results(args, m_begin + m, n, rows, work.sums + m * P * 16, 16, 0);
  }

  template <class Panel>
  static void rows(const product_args& args) {
    panels work;
    for (std::int64_t m = 0; m < args.M; m += token_block) {
      const std::int64_t tokens = args.M - m < token_block ? args.M - m : token_block;
      std::int64_t n = args.row_begin;
      for (; n + panel_rows < args.row_end; n += 2 * panel_rows)
        some_rows<2, Panel>(args, n, m, tokens, work);
      if (n < args.row_end) some_rows<1, Panel>(args, n, m, tokens, work);
    }
  }
};

}  // namespace
}  // namespace bp
