#include "kernels/rope/rope.hpp"

namespace bp {

void rope_f32_scalar(const rope_args& args) {
  const std::int64_t half = args.rope_dim / 2;
  const std::int64_t step = args.interleaved ? 2 : 1, apart = args.interleaved ? 1 : half;
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    const float* cos = args.cos + m * half;
    const float* sin = args.sin + m * half;
    for (std::int64_t h = 0; h < args.heads; ++h) {
      float* x = args.x + m * args.row_stride + h * args.head_dim;
      for (std::int64_t i = 0; i < half; ++i) {
        float* pair = x + i * step;
        const float a = pair[0], b = pair[apart];
        pair[0] = a * cos[i] - b * sin[i];
        pair[apart] = a * sin[i] + b * cos[i];
      }
    }
  }
}

}  // namespace bp
