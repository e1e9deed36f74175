#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

// |r - table[i]| rounds; the nearest of -1.2, -0.4, 0.4, 1.2 changes at r = -0x1.99999ap-1,
// 0x1p-26, 0x1.99999cp-1. NaN is at least nothing: code 0.
struct steps {
  __m256 first, second, third;

  explicit steps(float most) {
    const __m128 t = thresholds(_mm256_setr_pd(-0x1.99999bp-1, 0x1.ffffffp-27, 0x1.99999bp-1, 0.0),
                                kernel_scale(most));
    first = every<0>(t);
    second = every<1>(t);
    third = every<2>(t);
  }
  static bool admits(float most) { return most <= largest; }
  static float scale(float most) { return kernel_scale(most); }
  __m256i lanes(__m256 x) const {
    return _mm256_add_epi32(_mm256_add_epi32(at_least(x, first), at_least(x, second)),
                            at_least(x, third));
  }
  static __m256i codes(__m256i v) { return _mm256_abs_epi8(v); }
};

}  // namespace

void block_quantize_kernel_tl2_x86_avx2(const block_quantize_args& args) {
  encode_blocks_avx2<kernel_tl2, steps>(args);
}

}  // namespace bp
