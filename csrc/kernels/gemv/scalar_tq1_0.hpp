// The scalar gemv and gemm of tq1_0: the reference for every other ISA.
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/half.hpp"
#include "kernels/tq1_0.hpp"

namespace bp {
namespace {

constexpr std::uint8_t power_of_3[5] = {1, 3, 9, 27, 81};

// Trit n of a byte as code 0, 1, 2. The byte is a fraction of 256 written to base 3: times 3^n
// modulo 256 drops the digits before n, and times 3 carries digit n out of the byte.
inline int trit(std::uint8_t byte, int n) {
  return static_cast<std::uint8_t>(byte * power_of_3[n]) * 3 >> 8;
}

// sum(w * q) over a run of `bytes` bytes of `trits` trits.
inline std::int32_t run_sum(const std::uint8_t* w, int bytes, int trits, const std::int8_t* q) {
  // |sum| <= 128 * K <= 2^29.
  std::int32_t sum = 0;
  for (int n = 0; n < trits; ++n) {
    for (int m = 0; m < bytes; ++m) sum += (trit(w[m], n) - 1) * q[n * bytes + m];
  }
  return sum;
}

inline std::int32_t block_sum(const std::uint8_t* w, const std::int8_t* q) {
  return run_sum(w, 32, 5, q) + run_sum(w + 32, 16, 5, q + 160) + run_sum(w + 48, 4, 4, q + 240);
}

void tq1_0_rows(const product_args& args) {
  if (args.step != product_step::rows) return;
  const std::int64_t blocks = args.K / tq1_0::block_weights;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    for (std::int64_t m = 0; m < args.M; ++m) {
      const std::uint8_t* w = args.w + n * blocks * tq1_0::block_bytes;
      const std::int8_t* q = args.q + m * args.K;
      std::int32_t sum = 0;
      float scaled = 0.0f;
      for (std::int64_t b = 0; b < blocks; ++b) {
        const std::int32_t of_block = block_sum(w, q);
        sum += of_block;
        const float d =
            half_to_float(w + tq1_0::scale_offset) * activation_scale(args, blocks, m, b);
        scaled += d * static_cast<float>(of_block);
        w += tq1_0::block_bytes;
        q += tq1_0::block_weights;
      }
      if (args.y != nullptr) {
        args.y[m * args.N + n] = sum;
      } else {
        args.scaled[m * args.N + n] = scaled;
      }
    }
  }
}

}  // namespace
}  // namespace bp
