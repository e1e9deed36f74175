#include "kernels/families.hpp"

namespace bp {

// Byte p (0..31) of a group holds the codes of weights p, 32+p, 64+p, 96+p in bits 7-6, 5-4, 3-2,
// 1-0.
void gemv_i2_s_scalar(const gemv_args& args) {
  const std::int64_t stride = args.K / 4;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    const std::uint8_t* w = args.w + n * stride;
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < args.K; k += 128, w += 32) {
      const std::int8_t* q = args.q + k;
      for (int p = 0; p < 32; ++p) {
        sum += (w[p] >> 6) * q[p] + (w[p] >> 4 & 3) * q[32 + p] + (w[p] >> 2 & 3) * q[64 + p] +
               (w[p] & 3) * q[96 + p];
      }
    }
    args.y[n] = sum - args.q_sum;
  }
}

}  // namespace bp
