#include "kernels/block_matmul/block_matmul.hpp"

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

void run_block_matmul(const kernel_row& kernel, block_matmul_args args, std::int64_t bytes,
                      int threads) {
  const span_guard span(row_index(kernel), bytes, 2 * args.M * args.N * args.K);
  auto* const fn = kernel_cast<block_matmul_args>(kernel);
  constexpr std::int64_t columns = 32;  // of a tile of the widest variant
  for_rows(threads, args.N, columns, [&](std::int64_t begin, std::int64_t end) {
    block_matmul_args part = args;
    part.n_begin = begin;
    part.n_end = end;
    fn(part);
  });
}

}  // namespace bp
