#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

// RN(128 r + 128) is at least 64.5 from r = -0x1.fc0002p-2 on, at least 191.5 from 0x1.fbfffcp-2
// on. NaN is at least nothing: code 1.
struct steps {
  __m256 second, third;

  explicit steps(float most) {
    const __m128 t =
        thresholds(_mm256_setr_pd(-0x1.fc0003p-2, 0x1.fbfffbp-2, 0.0, 0.0), quant_scale(most));
    second = every<0>(t);
    third = every<1>(t);
  }
  static bool admits(float most) { return most <= largest; }
  static float scale(float most) { return quant_scale(most); }
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
