#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct steps : quant_tl2_rule {
  __m256 second, third;

  explicit steps(float most) {
    const __m128 t = thresholds(_mm256_setr_pd(mids[0], mids[1], 0.0, 0.0), unit(most));
    second = every<0>(t);
    third = every<1>(t);
  }
  __m256i lanes(__m256 x) const {
    return _mm256_add_epi32(at_least(x, second), at_least(x, third));
  }
  static __m256i codes(__m256i v) {
    return _mm256_add_epi8(_mm256_abs_epi8(v), _mm256_set1_epi8(1));
  }
};

}  // namespace

void block_quantize_quant_tl2_x86_avx2(const block_quantize_args& args) {
  encode_blocks_avx2<quant_tl2, steps>(args);
}

}  // namespace bp
