// 16 rows of a panel fill one vector: a column of four weights is loaded once for a tile of tokens,
// each of which broadcasts its four activations from memory.
#pragma once

#include "kernels/gemm/x86_dot.hpp"

namespace bp {
namespace {

// sums += w . q, one dword of activations in all lanes. Written out, because GCC 12 broadcasts into
// a register first, runs out of them and keeps sums in memory.
inline __attribute__((always_inline)) void add_dword(__m512i& sums, __m512i w,
                                                     const std::uint8_t* q) {
  asm volatile("vpdpbusd %[q]%{1to16%}, %[w], %[sums]"
               : [sums] "+v"(sums)
               : [w] "v"(w), [q] "m"(*reinterpret_cast<const int(*)[1]>(q)));
}

template <int T, int... t>
inline __attribute__((always_inline)) void add_steps(numbers<t...>, const std::uint8_t* panel,
                                                     const std::uint8_t* q, std::int64_t steps,
                                                     std::int32_t* to) {
  __m512i sums[T];
  ((sums[t] = _mm512_load_si512(to + 16 * t)), ...);
  for (std::int64_t j = 0; j < steps; ++j, panel += 64, q += 4 * T) {
    const __m512i w = _mm512_load_si512(panel);
    (add_dword(sums[t], w, q + 4 * t), ...);
  }
  (_mm512_store_si512(to + 16 * t, sums[t]), ...);
}

template <int T>
inline void add_panel(const std::uint8_t* panel, const std::uint8_t* q, std::int64_t steps,
                      std::int32_t* sums) {
  add_steps<T>(typename numbers_below<T>::type{}, panel, q, steps, sums);
}

using add_function = void (*)(const std::uint8_t*, const std::uint8_t*, std::int64_t,
                              std::int32_t*);
struct sixteen_lanes {
  static constexpr std::int64_t most = 14;
  static constexpr add_function by_tokens[most] = {
      add_panel<1>,  add_panel<2>,  add_panel<3>,  add_panel<4>, add_panel<5>,
      add_panel<6>,  add_panel<7>,  add_panel<8>,  add_panel<9>, add_panel<10>,
      add_panel<11>, add_panel<12>, add_panel<13>, add_panel<14>};
};

}  // namespace
}  // namespace bp
