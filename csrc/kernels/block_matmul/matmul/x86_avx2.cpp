#include "kernels/block_matmul/x86_avx2.hpp"

#include "kernels/block_matmul/block_matmul.hpp"

namespace bp {
namespace {

struct packed_columns {
  const block_matmul_args& args;

  // w[k .. k + count) of columns [n, n + 8), eight columns a vector: lane j holds 16 codes of
  // column n + j, the next one in bits 1-0, which is all that vpermilps looks at.
  void decode8(panel& p, std::int64_t first, std::int64_t n, std::int64_t width, std::int64_t k,
               std::int64_t count) const {
    const __m256 signs = _mm256_setr_ps(0, 1, 0, -1, 0, 1, 0, -1);
    const std::int64_t stride = (args.K + 3) / 4;
    const std::int64_t blocks = args.K / args.block + (args.K % args.block != 0);
    alignas(32) std::uint32_t words[8] = {};
    alignas(32) float lanes[8] = {};
    __m256 scale = _mm256_setzero_ps();
    for (std::int64_t i = 0, until = 0; i < count; i += 16) {
      const std::int64_t byte = (k + i) / 4;
      const std::int64_t left = stride - byte < 4 ? stride - byte : 4;
      for (std::int64_t j = 0; j < width; ++j)
        __builtin_memcpy(words + j, args.w + (n + j) * stride + byte,
                         static_cast<std::size_t>(left));
      __m256i codes = _mm256_load_si256(reinterpret_cast<const __m256i*>(words));
      const std::int64_t stop = count - i < 16 ? count : i + 16;
      for (std::int64_t at = i; at < stop; ++at, codes = _mm256_srli_epi32(codes, 2)) {
        if (at == until) {
          const std::int64_t block = (k + at) / args.block;
          for (std::int64_t j = 0; j < width; ++j) lanes[j] = args.scales[(n + j) * blocks + block];
          scale = _mm256_load_ps(lanes);
          until = (block + 1) * args.block - k;
        }
        _mm256_store_ps(p.w[at] + first, _mm256_mul_ps(_mm256_permutevar_ps(signs, codes), scale));
      }
    }
  }
  void decode(panel& p, std::int64_t n, std::int64_t width, std::int64_t k,
              std::int64_t count) const {
    for (std::int64_t j = 0; j < columns; j += 8) {
      const std::int64_t some = width - j < 0 ? 0 : width - j < 8 ? width - j : 8;
      decode8(p, j, n + j, some, k, count);
    }
  }
  const float* rows(std::int64_t m, std::int64_t, std::int64_t k, std::int64_t,
                    float (*)[depth]) const {
    return args.x + m * args.K + k;
  }
  std::int64_t stride() const { return args.K; }
};

}  // namespace

void block_matmul_matmul_x86_avx2(const block_matmul_args& args) {
  multiply_all(args, packed_columns{args});
}

}  // namespace bp
