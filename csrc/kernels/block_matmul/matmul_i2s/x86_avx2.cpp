#include "kernels/block_matmul/x86_avx2.hpp"

#include "kernels/block_matmul/block_matmul.hpp"

namespace bp {
namespace {

struct bytes_as_floats {
  const block_matmul_args& args;

  void decode(panel& p, std::int64_t n, std::int64_t width, std::int64_t k,
              std::int64_t count) const {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint8_t* b = args.b + (k + i) * args.N + n;
      if (width == columns) {
        for (int j = 0; j < columns; j += 8) {
          const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(b + j));
          _mm256_store_ps(p.w[i] + j, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight)));
        }
      } else {
        for (std::int64_t j = 0; j < columns; ++j)
          p.w[i][j] = j < width ? static_cast<float>(b[j]) : 0.0f;
      }
    }
  }
  const float* rows(std::int64_t m, std::int64_t n_rows, std::int64_t k, std::int64_t count,
                    float (*scratch)[depth]) const {
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t i = 0; i < count; ++i)
        scratch[r][i] = static_cast<float>(args.a[(m + r) * args.K + k + i]);
    return scratch[0];
  }
  std::int64_t stride() const { return depth; }
};

}  // namespace

void block_matmul_matmul_i2s_x86_avx2(const block_matmul_args& args) {
  multiply_all(args, bytes_as_floats{args});
}

}  // namespace bp
