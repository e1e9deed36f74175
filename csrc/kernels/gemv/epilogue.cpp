#include "kernels/gemv/epilogue.hpp"

#include <cstring>

namespace bp {

void apply_scales(const product_args& args) {
  for (std::int64_t m = 0; m < args.M; ++m) {
    float* out = args.out + m * args.N;
    if (args.act_blocks != nullptr) {
      for (std::int64_t n = args.row_begin; n < args.row_end; ++n) out[n] *= args.weight_scale;
      continue;
    }
    const float s = args.act_scale[m];
    if (args.block_scales) {
      for (std::int64_t n = args.row_begin; n < args.row_end; ++n) out[n] /= s;
      continue;
    }
    for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
      std::int32_t sum;
      std::memcpy(&sum, out + n, sizeof sum);
      out[n] = static_cast<float>(sum) / s * args.weight_scale;
    }
  }
}

}  // namespace bp
