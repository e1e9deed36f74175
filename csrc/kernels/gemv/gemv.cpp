#include "kernels/gemv/gemv.hpp"

#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

void run_gemv(const kernel_row& kernel, gemv_args args, int threads) {
  const span_guard span(row_index(kernel), args.N * args.K / 4 + args.K + 4 * args.N,
                        2 * args.N * args.K);
  auto* const fn = kernel_cast<gemv_args>(kernel);
  const std::int64_t step = args.tile.BM > 0 ? args.tile.BM : 1;
  for_rows(threads, args.N, step, [&](std::int64_t begin, std::int64_t end) {
    gemv_args part = args;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
  });
}

}  // namespace bp
