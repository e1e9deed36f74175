#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct steps : device_i2s_rule, sign_steps<_CMP_GT_OQ, _CMP_LT_OQ> {
  explicit steps(float most) : sign_steps(scale(most)) {}
  static __m256i codes(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(3)); }
};

}  // namespace

void block_quantize_device_i2s_x86_avx2(const block_quantize_args& args) {
  encode_blocks_avx2<device_i2s, steps>(args);
}

}  // namespace bp
