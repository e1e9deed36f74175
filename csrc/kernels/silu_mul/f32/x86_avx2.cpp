#include "kernels/eight.hpp"

#include "kernels/silu_mul/silu_mul.hpp"

namespace bp {
namespace {

inline __m256 gated(__m256 gate, __m256 up) {
  const __m256 minus = _mm256_xor_ps(gate, _mm256_set1_ps(-0.0f));
  const __m256 divisor = _mm256_add_ps(_mm256_set1_ps(1.0f), exp_lanes(minus));
  return _mm256_mul_ps(_mm256_div_ps(gate, divisor), up);
}

}  // namespace

void silu_mul_f32_x86_avx2(const silu_mul_args& args) {
  std::int64_t i = args.begin;
  for (; i + 8 <= args.end; i += 8) {
    _mm256_storeu_ps(args.out + i,
                     gated(_mm256_loadu_ps(args.gate + i), _mm256_loadu_ps(args.up + i)));
  }
  if (i < args.end) {
    const __m256i mask = first_lanes(args.end - i);
    _mm256_maskstore_ps(
        args.out + i, mask,
        gated(_mm256_maskload_ps(args.gate + i, mask), _mm256_maskload_ps(args.up + i, mask)));
  }
}

}  // namespace bp
