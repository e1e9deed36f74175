// 16 rows of a panel fill two vectors; six tokens leave one register for what they broadcast.
#pragma once

#include "kernels/gemm/x86_dot.hpp"

namespace bp {
namespace {

// low, high += w . q, one dword of activations in all lanes. Written out, because GCC 12 keeps sums
// in memory otherwise.
inline __attribute__((always_inline)) void add_dword(__m256i& low, __m256i& high, __m256i w0,
                                                     __m256i w1, const std::uint8_t* q) {
  __m256i all;
  asm volatile(
      "vpbroadcastd %[q], %[all]\n %{vex%} vpdpbusd %[all], %[w0], %[low]\n"
      "%{vex%} vpdpbusd %[all], %[w1], %[high]"
      : [low] "+x"(low), [high] "+x"(high), [all] "=&x"(all)
      : [w0] "x"(w0), [w1] "x"(w1), [q] "m"(*reinterpret_cast<const int(*)[1]>(q)));
}

template <int T, int... t>
inline __attribute__((always_inline)) void add_steps(numbers<t...>, const std::uint8_t* panel,
                                                     const std::uint8_t* q, std::int64_t steps,
                                                     std::int32_t* to) {
  __m256i low[T], high[T];
  ((low[t] = load(to + 16 * t), high[t] = load(to + 16 * t + 8)), ...);
  for (std::int64_t j = 0; j < steps; ++j, panel += 64, q += 4 * T) {
    const __m256i w0 = load(panel), w1 = load(panel + 32);
    (add_dword(low[t], high[t], w0, w1, q + 4 * t), ...);
  }
  ((store(to + 16 * t, low[t]), store(to + 16 * t + 8, high[t])), ...);
}

template <int T>
inline void add_panel(const std::uint8_t* panel, const std::uint8_t* q, std::int64_t steps,
                      std::int32_t* sums) {
  add_steps<T>(typename numbers_below<T>::type{}, panel, q, steps, sums);
}

using add_function = void (*)(const std::uint8_t*, const std::uint8_t*, std::int64_t,
                              std::int32_t*);

struct eight_lanes {
  static constexpr std::int64_t most = 6;
  static constexpr bool floats = false;
  static constexpr add_function by_tokens[most] = {add_panel<1>, add_panel<2>, add_panel<3>,
                                                   add_panel<4>, add_panel<5>, add_panel<6>};

  static void add(const product_args& args, const std::uint8_t* panel, std::int64_t k,
                  std::int64_t columns, std::int64_t m_begin, std::int64_t tokens,
                  std::int32_t* sums) {
    for (std::int64_t i = 0; i < tiles_of(tokens, most); ++i) {
      const tile part = tile_at(tokens, most, i);
      const std::uint8_t* q = args.shared + (m_begin + part.m) * args.K + k * part.tokens;
      by_tokens[part.tokens - 1](panel, q, columns / 4, sums + part.m * panel_rows);
    }
  }

  template <class Panel>
  static void rows(const product_args& args) {
    gemm_by_panels<Panel, eight_lanes>(args);
  }
};

}  // namespace
}  // namespace bp
