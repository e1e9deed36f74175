// gemv: y[n] = sum over k of W[n, k] * q[k]; W ternary and packed, q int8, y exact int32.
// gemm (csrc/kernels/gemm) is the same for M rows of q; both share product_args.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/kernel.hpp"
#include "formats/tiling.hpp"

namespace bp {

// What a variant asks of the driver, answered in step `plan`.
struct product_needs {
  std::int64_t row_step = 1;      // row_begin and row_end are multiples of it (row_end: or N)
  std::size_t shared_bytes = 0;   // memory that all threads read in step `rows` (look-up tables)
  std::int64_t shared_parts = 0;  // it is filled in so many parts, by all threads
  bool sums = true;               // q_sum is wanted
  bool floats = false;            // step `rows` makes the float results itself
};

// Choices of core/tunables.inc, on which no result depends.
struct product_choices {
  std::int64_t prefetch_bytes, near_prefetch_bytes, far_prefetch_bytes;
  std::int64_t panel_tokens, avx512_panel_tokens, line_panel_tokens, amx_tokens;

  friend bool operator==(const product_choices&, const product_choices&) = default;
};

// A variant is called once with `plan`, then for every range of parts with `prepare` (where it
// wants shared memory), and after all of them for every range of rows with `rows`.
enum class product_step { plan, prepare, rows };

// Contract of every variant <family>_<format>_<isa>, family gemv (M = 1) or gemm (any M >= 1):
//   plan     fills *needs (which holds the defaults above) from M, N, K and tile; nothing else.
//   prepare  writes the parts part_begin .. part_end of `shared`, from q, M, K and tile alone,
//            nothing else.
//   rows     writes y[m * N + n] for all m < M and n in row_begin .. row_end, nothing else; where
//            y is null, writes scaled[m * N + n] instead: formats with a scale d_b in each block
//            sum d_b * float32(sum_b) over their blocks, in order, in float32; where act_blocks is
//            given d_b is multiplied by that of the block (formats of 256 weights a block, tq1_0,
//            tq2_0, native layouts; d_b is 1 where a native layout has no `beside`).
//            With needs->floats, y null and no scales in blocks: out, as apply_scales makes it.
//   - q has M rows of K values, K values apart, zero beyond the true K; K is padded to the group of
//     the format (weights there are zero). w holds only codes that the format admits.
//   - exact for any q in -128 .. 127, any ternary W and K <= largest_columns (layout.hpp: codes 0,
//     1, 2 make sums of at most 2 * 128 * K): no int16 and no int32 wraps. No result depends on M,
//     on the ranges, or on the number of threads.
//   - no pointer but `shared` (64 bytes) is aligned; q[M * K] and w[w_bytes] are the ends of what
//     may be read (a prefetch may pass them).
struct product_args {
  // Set by the caller of run_gemv, run_gemm:
  const std::uint8_t* w;  // packed weights
  std::int64_t w_bytes;   // their size: the span's work, and the end of what may be read
  const std::int8_t* q;   // [M, K_true] for the driver; [M, K], padded with zeros, for a variant
  std::int32_t* y;        // [M, N], or null where `out` is wanted
  std::int64_t M, N;
  std::int64_t K;       // padded to the group of the format
  std::int64_t K_true;  // <= K
  tiling tile;          // tl1, tl2
  // q holds what it held in this thread's last product: what that one made of it for the same
  // kernel, M, K and tile is used again.
  bool same_q;
  // For float results, which the driver makes (epilogue.hpp); all unused where y is given:
  float* out;                 // [M, N]
  const float* act_scale;     // [M]: s = 127 / amax
  float weight_scale;         // of the whole tensor; 1 where act_blocks meets scales in the blocks
  bool block_scales;          // use the scales of the blocks instead: those in tq1_0 and tq2_0, or
  const float* beside;        // [N, ceil(K / 256)], for a native layout made from them
  const float* act_blocks;    // [M, ceil(K / 256)], instead of act_scale: q is about x / act_blocks
  const std::int32_t* q_sum;  // [M]: sum of q, or null: the driver adds up. A variant is given it
                              // where needs->sums asks for it, else null; with codes 0, 1, 2 a
                              // result is sum(code * q) - sum(q)
  // Set by the driver:
  product_choices tuned;  // the same in all steps
  product_step step;
  product_needs* needs;
  float* scaled;  // [M, N], see `rows`
  std::uint8_t* shared;
  std::int64_t part_begin, part_end;
  std::int64_t row_begin, row_end;
};
using gemv_args = product_args;

// d of a block of activations: 1 where a row has one scale.
static inline float activation_scale(const product_args& args, std::int64_t blocks, std::int64_t m,
                                     std::int64_t b) {
  return args.act_blocks == nullptr ? 1.0f : args.act_blocks[m * blocks + b];
}

// Runs one variant over all rows of W on `threads` threads, as one span.
void run_product(const kernel_row& kernel, product_args args, int threads);

// args.M must be 1.
inline void run_gemv(const kernel_row& kernel, const gemv_args& args, int threads) {
  run_product(kernel, args, threads);
}

}  // namespace bp
