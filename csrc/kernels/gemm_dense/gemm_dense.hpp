// gemm_dense: out[m, n] = sum over k of W[n, k] * x[m, k], W a float matrix as GGML packs it.
// The contract of a variant is that of gemv_dense (gemv_dense.hpp) with M >= 1.
#pragma once

#include "kernels/gemv_dense/gemv_dense.hpp"

namespace bp {

using gemm_dense_args = dense_args;

// Runs one variant over all rows of W on `threads` threads, as one span.
inline void run_gemm_dense(const kernel_row& kernel, const dense_args& args, int threads) {
  run_dense(kernel, args, threads);
}

}  // namespace bp
