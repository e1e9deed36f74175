// gemm: Y[m, n] = sum over k of W[n, k] * q[m, k]; W ternary and packed, q int8, Y exact int32.
// The contract of a variant is that of gemv (gemv.hpp) with M >= 1.
#pragma once

#include "kernels/gemv/gemv.hpp"

namespace bp {

using gemm_args = product_args;

// Runs one variant over all rows of W on `threads` threads, as one span.
inline void run_gemm(const kernel_row& kernel, const gemm_args& args, int threads) {
  run_product(kernel, args, threads);
}

}  // namespace bp
