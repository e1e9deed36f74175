// block_matmul: the two products of the BitNet.rs kernels crate, bit-equal to its scalar level.
//   matmul_i2s  c[m, n] = sum over k of a[m, k] * b[k, n], a int8, b uint8, one byte a weight
//   matmul      c[m, n] = sum over k of x[m, k] * (w[n, k] * scale[n, k / block]), w in {0, 1, -1}
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract of every variant block_matmul_<product>_<isa>:
//   - writes c[0 .. M, n_begin .. n_end), row stride N; M, N, K >= 1;
//   - every sum is one float32 that starts at 0 and takes its products in the order of k, each
//     product rounded on its own (those of matmul_i2s are exact), so results beyond 2^24, NaN and
//     infinities are those of the crate;
//   - matmul: w is [N, ceil(K / 4)] bytes, four codes a byte from the low bits on, codes 0, 1, 2, 3
//     are 0, 1, 0, -1; scales are [N, ceil(K / block)]; block >= 1. A zero weight still multiplies.
struct block_matmul_args {
  const std::int8_t* a;   // matmul_i2s: [M, K]
  const std::uint8_t* b;  // matmul_i2s: [K, N]
  const float* x;         // matmul: [M, K]
  const std::uint8_t* w;  // matmul
  const float* scales;    // matmul
  float* c;
  std::int64_t M, N, K, block;
  std::int64_t n_begin, n_end;
};

// Runs one variant over all columns on `threads` threads, as one span. n_begin and n_end are set
// here; `bytes` is input plus output, once.
void run_block_matmul(const kernel_row& kernel, block_matmul_args args, std::int64_t bytes,
                      int threads);

}  // namespace bp
