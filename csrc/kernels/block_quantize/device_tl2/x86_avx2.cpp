#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

// trunc((x / s + 1) * 1.5), where three thresholds a block would take longer than the divisions.
// NaN becomes INT_MIN, which the packing saturates: negative, so code 0.
struct steps : device_level_rule {
  __m256 s;

  explicit steps(float most) : s(_mm256_set1_ps(most)) {}
  __m256i lanes(__m256 x) const {
    const __m256 r = _mm256_div_ps(x, s);
    return _mm256_cvttps_epi32(
        _mm256_mul_ps(_mm256_add_ps(r, _mm256_set1_ps(1.0f)), _mm256_set1_ps(1.5f)));
  }
  static __m256i codes(__m256i v) { return _mm256_max_epi8(v, _mm256_setzero_si256()); }
};

}  // namespace

void block_quantize_device_tl2_x86_avx2(const block_quantize_args& args) {
  encode_blocks_avx2<device_tl2, steps>(args);
}

}  // namespace bp
