#include "kernels/rope/lanes.hpp"

namespace bp {
namespace {

// Four values, each twice: c0 c0 c1 c1 | c2 c2 c3 c3
inline __m256 twice(const float* values) {
  return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(values)),
                                  _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}

// Pairs (2i, 2i + 1), four at a time:
//   x        a0 b0 a1 b1 | a2 b2 a3 b3      swapped  b0 a0 b1 a1 | b2 a2 b3 a3
//   addsub   a c - b s, b c + a s, ...
inline void turn_neighbours(float* x, const float* cos, const float* sin, std::int64_t half) {
  std::int64_t i = 0;
  for (; i + 4 <= half; i += 4) {
    const __m256 pairs = _mm256_loadu_ps(x + 2 * i);
    const __m256 swapped = _mm256_permute_ps(pairs, 0xb1);
    const __m256 c = _mm256_mul_ps(pairs, twice(cos + i));
    const __m256 s = _mm256_mul_ps(swapped, twice(sin + i));
    _mm256_storeu_ps(x + 2 * i, _mm256_addsub_ps(c, s));
  }
  for (; i < half; ++i) turn(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
}

}  // namespace

void rope_f32_x86_avx2(const rope_args& args) {
  rope_in_lanes<&turn_neighbours>(args);
}

}  // namespace bp
