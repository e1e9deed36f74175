#include "kernels/block_quantize/x86_avx2.hpp"

#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct steps : quant_i2s_rule, sign_steps<_CMP_GE_OQ, _CMP_LE_OQ> {
  explicit steps(float most) : sign_steps(scale(most)) {}
  static __m256i codes(__m256i v) { return _mm256_add_epi8(v, _mm256_set1_epi8(2)); }
};

}  // namespace

void block_quantize_quant_i2s_x86_avx2(const block_quantize_args& args) {
  encode_blocks_avx2<quant_i2s, steps>(args);
}

}  // namespace bp
