#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct steps : kernel_tl2_rule {
  __m256 first, second, third;

  explicit steps(float most) {
    const __m128 t = thresholds(_mm256_setr_pd(mids[0], mids[1], mids[2], 0.0), unit(most));
    first = every<0>(t);
    second = every<1>(t);
    third = every<2>(t);
  }
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
