#include "kernels/block_matmul/block_matmul.hpp"

namespace bp {

void block_matmul_matmul_i2s_scalar(const block_matmul_args& args) {
  for (std::int64_t m = 0; m < args.M; ++m) {
    const std::int8_t* a = args.a + m * args.K;
    for (std::int64_t n = args.n_begin; n < args.n_end; ++n) {
      float sum = 0.0f;
      for (std::int64_t k = 0; k < args.K; ++k)
        sum += static_cast<float>(a[k]) * static_cast<float>(args.b[k * args.N + n]);
      args.c[m * args.N + n] = sum;
    }
  }
}

}  // namespace bp
