#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/families.hpp"

namespace bp {
namespace {

// trunc((r + 1) * 1.5) is at least 1, 2, 3 from r = -0x1.555554p-2, 0x1.555556p-2, 0x1.fffffep-1
// on. NaN is at least nothing: code 0. A scale of 0 makes every code 1.
struct steps {
  __m256 first, second, third;

  explicit steps(float most) {
    const __m128 t =
        thresholds(_mm256_setr_pd(-0x1.555555p-2, 0x1.555555p-2, 0x1.fffffdp-1, 0.0), most);
    first = every<0>(t);
    second = every<1>(t);
    third = every<2>(t);
  }
  static bool admits(float most) { return most > 0.0f && most <= largest; }
  static float scale(float most) { return most; }
  __m256i lanes(__m256 x) const {
    return _mm256_add_epi32(_mm256_add_epi32(at_least(x, first), at_least(x, second)),
                            at_least(x, third));
  }
  static __m256i codes(__m256i v) { return _mm256_abs_epi8(v); }
};

}  // namespace

void block_quantize_device_tl2_x86_avx2(const block_quantize_args& args) {
  encode_blocks_avx2<device_tl2, steps>(args);
}

}  // namespace bp
