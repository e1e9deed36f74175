#include "kernels/rope/lanes.hpp"

namespace bp {
namespace {

// Eight values, each twice: c0 c0 c1 c1 | c2 c2 c3 c3 | ...
inline __m512 twice(const float* values) {
  const __m512i order = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  return _mm512_permutexvar_ps(order, load_first(values));
}

// Pairs (2i, 2i + 1), eight at a time:
//   x         a0 b0 a1 b1 | ...      swapped  b0 a0 b1 a1 | ...
//   c -+ s    a c - b s, b c + a s, ...
inline void turn_neighbours(float* x, const float* cos, const float* sin, std::int64_t half) {
  constexpr __mmask16 first_of_pair = 0x5555;
  std::int64_t i = 0;
  for (; i + 8 <= half; i += 8) {
    const __m512 pairs = _mm512_loadu_ps(x + 2 * i);
    const __m512 swapped = _mm512_permute_ps(pairs, 0xb1);
    const __m512 c = pairs * twice(cos + i), s = swapped * twice(sin + i);
    _mm512_storeu_ps(x + 2 * i, _mm512_mask_sub_ps(c + s, first_of_pair, c, s));
  }
  for (; i < half; ++i) turn(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
}

}  // namespace

void rope_f32_x86_avx512(const rope_args& args) {
  rope_in_lanes<&turn_neighbours>(args);
}

}  // namespace bp
