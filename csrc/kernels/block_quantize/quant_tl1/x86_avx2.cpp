#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct steps : quant_tl1_rule {
  __m256 second, third;

  explicit steps(float most) {
    const __m128 t = thresholds(_mm256_setr_pd(mids[0], mids[1], 0.0, 0.0), unit(most));
    second = every<0>(t);
    third = every<1>(t);
  }
  __m256i lanes(__m256 x) const {
    const __m256i number = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_ORD_Q));
    return _mm256_add_epi32(_mm256_add_epi32(number, at_least(x, second)), at_least(x, third));
  }
  static __m256i codes(__m256i v) { return _mm256_abs_epi8(v); }
};

}  // namespace

void block_quantize_quant_tl1_x86_avx2(const block_quantize_args& args) {
  encode_blocks_avx2<quant_tl1, steps>(args);
}

}  // namespace bp
