// gemv_dense: out[n] = sum over k of W[n, k] * x[k], W a float matrix as GGML packs it: LM heads.
// gemm_dense (csrc/kernels/gemm_dense) is the same for M rows of x; both share dense_args.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"
#include "kernels/distances.hpp"

namespace bp {

// Contract of every variant <family>_<format>_<isa>, family gemv_dense (M = 1) or gemm_dense (any
// M >= 1), of the formats of formats/dense.inc: writes out[m, n] for all m < M and n in row_begin
// .. row_end, nothing else. K is a multiple of the format's block.
//
// f32, f16, bf16: float32 products and sums. With u = 2^-24 every variant is within
//     K u / (1 - K u) * sum over k of |W[n, k] x[m, k]|, where nothing overflows or is subnormal,
//   of the exact sum; two ISAs differ in the order of their sums and in fused operations.
// Others: int8 activations (q8_0: blocks of 32; q8_k: blocks of 256) against integer codes. Sums
//   within a block are exact int32, and what follows is fixed, so every ISA gives the same bits:
//   q8_0, q4_0  eight float32 lanes, lane l += (d_w[b] * d_x[b]) * float32(sum_b) for b = l, l + 8,
//               ...; out = ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))
//   q6_k        out += (d_w[b] * d_x[b]) * float32(sum_b), block after block; sum_b = sum over 16
//               runs of 16 of sc * sum(q_w * q_x)
//   q4_k        out += (d_w[b] * d_x[b]) * float32(sum_b), then
//               out -= (dmin_w[b] * d_x[b]) * float32(min_b); min_b = sum over 8 runs of 32 of
//               m * sum(q_x)
//   Bounds: q6_k |sum_b| <= 256 * 128 * 32 * 127 < 2^28; the others are smaller.
// - A row of x with NaN or infinity gives NaN or infinity in all its results.
// - gemm_dense gives in every row the bits that gemv_dense gives for it. No result depends on M, on
//   the ranges, or on the number of threads.
// - no pointer is aligned; w[w_bytes] is the end of what may be read (a prefetch may pass it).
struct dense_args {
  // Set by the caller of run_gemv_dense, run_gemm_dense:
  const std::uint8_t* w;  // [N][K / block] blocks
  std::int64_t w_bytes;
  const float* x;  // [M, K]
  float* out;      // [M, N]
  std::int64_t M, N, K;
  // Set by the driver; the first three for formats with int8 activations, which do not read x:
  const std::int8_t* q;       // [M, K], never -128
  const float* q_scale;       // [M, K / 32] or [M, K / 256]: x is about q_scale * q
  const std::int16_t* q_sum;  // [M, K / group]: sum of q in groups, where the format has them
  distances ahead;            // of core/tunables.inc
  std::int64_t row_begin, row_end;
};
using gemv_dense_args = dense_args;

// Runs one variant over all rows of W on `threads` threads, as one span; the activations are
// quantized inside it, by the variant of quantize_activations of the same ISA.
void run_dense(const kernel_row& kernel, dense_args args, int threads);

// args.M must be 1.
inline void run_gemv_dense(const kernel_row& kernel, const dense_args& args, int threads) {
  run_dense(kernel, args, threads);
}

}  // namespace bp
