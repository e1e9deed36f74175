// The scalar gemv and gemm of the 2-bit formats: the reference for every other ISA. The format is a
// class of two_bit.hpp.
#pragma once

#include "kernels/two_bit.hpp"

namespace bp {
namespace {

// sum(code * q) over the 128 weights of one group.
template <class Format>
inline std::int32_t group_sum(const std::uint8_t* w, const std::int8_t* q) {
  // |sum| <= 128 * K <= 2^29.
  std::int32_t sum = 0;
  for (int p = 0; p < 32; ++p) {
    const int codes = w[Format::byte(p)];
    for (int s = 0; s < 4; ++s) sum += (codes >> Format::shift(s) & 3) * q[32 * s + p];
  }
  return sum;
}

template <class Format>
void product_rows(const product_args& args) {
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    for (std::int64_t m = 0; m < args.M; ++m) {
      const std::int8_t* q = args.q + m * args.K;
      std::int32_t sum = 0;
      for (std::int64_t g = 0; g < args.K / group_weights; ++g) {
        sum += group_sum<Format>(Format::group(args.w, args.K, n, g), q + g * group_weights);
      }
      args.y[m * args.N + n] = sum - args.q_sum[m];
    }
  }
}

// scaled[m, n]: sum over blocks of d_b * float32(sum_b), for formats with a scale a block.
template <class Format>
void scaled_rows(const product_args& args) {
  const std::int64_t blocks = (args.K + Format::block_weights - 1) / Format::block_weights;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    for (std::int64_t m = 0; m < args.M; ++m) {
      const std::int8_t* q = args.q + m * args.K;
      float total = 0.0f;
      for (std::int64_t k = 0; k < args.K; k += Format::block_weights) {
        std::int32_t sum = 0;
        for (std::int64_t g = k; g < k + Format::block_weights && g < args.K; g += group_weights) {
          sum += group_sum<Format>(Format::group(args.w, args.K, n, g / group_weights), q + g);
          for (int i = 0; i < group_weights; ++i) sum -= q[g + i];
        }
        const std::int64_t b = k / Format::block_weights;
        const float d = Format::scale(args, n, b) * activation_scale(args, blocks, m, b);
        total += d * static_cast<float>(sum);
      }
      args.scaled[m * args.N + n] = total;
    }
  }
}

// For formats that may have a scale a block.
template <class Format>
void product_or_scaled_rows(const product_args& args) {
  if (args.step != product_step::rows) return;
  args.block_scales ? scaled_rows<Format>(args) : product_rows<Format>(args);
}

}  // namespace
}  // namespace bp
