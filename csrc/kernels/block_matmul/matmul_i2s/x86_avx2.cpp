#include "kernels/x86_avx2_float.hpp"

#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_matmul/eight.hpp"

namespace bp {
namespace {

inline eight bytes_as_floats(const std::uint8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}

}  // namespace

void block_matmul_matmul_i2s_x86_avx2(const block_matmul_args& args) {
  multiply_all(args, byte_columns<bytes_as_floats>{args});
}

}  // namespace bp
