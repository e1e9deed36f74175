#include "kernels/quantize_activations/x86_avx2.hpp"
#include "kernels/quantize_activations/blocks.hpp"

namespace bp {
namespace {

constexpr int block = 256;

// The first of the values whose magnitude has these bits; there is one.
inline float first_of(const float* x, std::int32_t bits) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff), wanted = _mm256_set1_epi32(bits);
  for (;; x += 8) {
    const __m256i same = _mm256_cmpeq_epi32(_mm256_and_si256(load(x), mask), wanted);
    const int found = _mm256_movemask_ps(_mm256_castsi256_ps(same));
    if (found != 0) return x[__builtin_ctz(static_cast<unsigned>(found))];
  }
}

}  // namespace

void quantize_activations_q8_k_x86_avx2(const quantize_activations_args& args) {
  const auto scale_of = [](const float* x, auto bits) {
    const float inverse = -127.0f / first_of(x, bits);
    return block_scale{inverse, 1.0f / inverse};
  };
  quantize_blocks<block>(args, scale_of, [](std::int8_t* values, const float* x, float inverse) {
    const __m256 scale = _mm256_set1_ps(inverse);
    __m256i wide = _mm256_setzero_si256();
    for (int k = 0; k < block; k += 32)
      wide = store_values(values + k, round_32(x + k, scale), wide);
    return sum_lanes(wide);
  });
}

}  // namespace bp
