// gemv: y[n] = sum over k of W[n, k] * q[k], W ternary and packed, q int8, y exact int32.
#pragma once

#include <cstdint>

#include "core/registry.hpp"
#include "formats/tiling.hpp"

namespace bp {

inline constexpr std::int64_t largest_k = std::int64_t{1} << 22;

// Contract of every variant gemv_<format>_<isa>:
//   - writes y[row_begin .. row_end), nothing else; row_begin is a multiple of
//   gemv_row_step(format),
//     row_end too or equal to N;
//   - K is padded to the format's group (weights there are zero); q has K readable values, zero
//   beyond
//     the true K; w holds codes the format admits (checked where bytes enter);
//   - exact: any q in -128 .. 127 with any ternary W. Codes 0, 1, 2 make sums of at most 256 * K,
//   so
//     int32 holds them up to K = largest_k, which the binding enforces;
//   - no alignment is required; scratch of other threads is not touched.
struct gemv_args {
  const std::uint8_t* w;
  const std::int8_t* q;
  std::int32_t* y;
  std::int64_t N, K;
  std::int64_t row_begin, row_end;
  std::int32_t q_sum;  // sum of q: formats with codes 0, 1, 2 subtract it from sum(code * q)
  tiling tile;         // tl1, tl2
};

// Runs one variant over all rows on `threads` threads, as one span. args.row_begin and row_end are
// set here.
void run_gemv(const kernel_row& kernel, gemv_args args, int threads);

}  // namespace bp
