#include "kernels/x86_avx2_float.hpp"

#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_matmul/eight.hpp"

namespace bp {
namespace {

// vpermilps looks at bits 1-0 of a lane alone.
struct signs {
  __m256i words;

  explicit signs(const std::uint32_t* from)
      : words(_mm256_load_si256(reinterpret_cast<const __m256i*>(from))) {}
  eight weights() const {
    return _mm256_permutevar_ps(_mm256_setr_ps(0, 1, 0, -1, 0, 1, 0, -1), words);
  }
  void next() { words = _mm256_srli_epi32(words, 2); }
};

}  // namespace

void block_matmul_matmul_x86_avx2(const block_matmul_args& args) {
  multiply_all(args, packed_columns<signs>{args});
}

}  // namespace bp
