// gemv and gemm of tq1_0 row by row. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/tq1_0.hpp"

namespace bp {
namespace {

// Row n against four tokens, one token, or one token with the scales of the blocks: f(args, n, m).
template <auto four, auto one, auto scaled>
inline void tq1_0_rows(const product_args& args) {
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n) {
    std::int64_t m = 0;
    if (args.block_scales) {
      for (; m < args.M; ++m) scaled(args, n, m);
    }
    for (; m + 4 <= args.M; m += 4) four(args, n, m);
    for (; m < args.M; ++m) one(args, n, m);
  }
}

}  // namespace
}  // namespace bp
