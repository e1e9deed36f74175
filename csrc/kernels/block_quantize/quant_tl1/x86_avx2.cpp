#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

// RN(r + 128) is at least 127.5 from r = -0x1.00008p-1 on, at least 128.5 from 0x1.fffep-2 on.
// Whatever is a number is at least code 1; NaN is code 0. An absmax of 0 may be that of NaN alone.
struct steps {
  __m256 second, third;

  explicit steps(float most) {
    const __m128 t = thresholds(_mm256_setr_pd(-0x1.000081p-1, 0x1.fffdffp-2, 0.0, 0.0), most);
    second = every<0>(t);
    third = every<1>(t);
  }
  static bool admits(float most) { return most > 0.0f && most <= largest; }
  static float scale(float most) { return quant_scale(most); }
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
