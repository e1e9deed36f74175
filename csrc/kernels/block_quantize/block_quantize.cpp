#include "kernels/block_quantize/block_quantize.hpp"

#include <numeric>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

void run_block_quantize(const kernel_row& kernel, block_quantize_args args, int threads) {
  const std::int64_t blocks = args.count / args.block + (args.count % args.block != 0);
  const span_guard span(row_index(kernel), 4 * args.count + args.data_bytes + 4 * blocks,
                        args.count);
  auto* const fn = kernel_cast<block_quantize_args>(kernel);
  // The fewest blocks that end on a whole byte.
  const std::int64_t step = 4 / std::gcd(args.block, std::int64_t{4});
  for_rows(threads, blocks, step, [&](std::int64_t begin, std::int64_t end) {
    block_quantize_args part = args;
    part.block_begin = begin;
    part.block_end = end;
    fn(part);
  });
}

}  // namespace bp
