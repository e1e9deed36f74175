#include "kernels/block_matmul/block_matmul.hpp"

namespace bp {

void block_matmul_matmul_scalar(const block_matmul_args& args) {
  constexpr float signs[4] = {0.0f, 1.0f, 0.0f, -1.0f};
  const std::int64_t stride = (args.K + 3) / 4;
  const std::int64_t blocks = args.K / args.block + (args.K % args.block != 0);
  for (std::int64_t m = 0; m < args.M; ++m) {
    const float* x = args.x + m * args.K;
    for (std::int64_t n = args.n_begin; n < args.n_end; ++n) {
      const std::uint8_t* w = args.w + n * stride;
      const float* scales = args.scales + n * blocks;
      float sum = 0.0f;
      for (std::int64_t b = 0, k = 0; b < blocks; ++b) {
        const float scale = scales[b];
        const std::int64_t stop = args.K - k < args.block ? args.K : k + args.block;
        for (; k < stop; ++k) {
          const float weight = signs[w[k / 4] >> (2 * (k % 4)) & 3] * scale;
          sum += x[k] * weight;
        }
      }
      args.c[m * args.N + n] = sum;
    }
  }
}

}  // namespace bp
