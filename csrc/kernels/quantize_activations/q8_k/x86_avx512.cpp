#include "kernels/quantize_activations/x86_avx512.hpp"
#include "kernels/quantize_activations/blocks.hpp"

namespace bp {
namespace {

constexpr int block = 256;

// The first of the values whose magnitude has these bits; there is one.
inline float first_of(const float* x, std::int32_t bits) {
  const __m512i wanted = _mm512_set1_epi32(bits);
  for (;; x += 16) {
    const unsigned found = _mm512_cmpeq_epi32_mask(magnitudes(_mm512_loadu_ps(x)), wanted);
    if (found != 0) return x[__builtin_ctz(found)];
  }
}

}  // namespace

void quantize_activations_q8_k_x86_avx512(const quantize_activations_args& args) {
  const auto scale_of = [](const float* x, auto bits) {
    const float inverse = -127.0f / first_of(x, bits);
    return block_scale{inverse, 1.0f / inverse};
  };
  quantize_blocks<block>(args, scale_of, [](std::int8_t* values, const float* x, float inverse) {
    const __m512 scale = _mm512_set1_ps(inverse);
    __m512i wide = _mm512_setzero_si512();
    for (int k = 0; k < block; k += 64) wide = store_64(values + k, x + k, scale, wide);
    return _mm512_reduce_add_epi32(wide);
  });
}

}  // namespace bp
