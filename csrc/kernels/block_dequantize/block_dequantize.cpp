#include "kernels/block_dequantize/block_dequantize.hpp"

#include <algorithm>
#include <string_view>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

void run_block_dequantize(const kernel_row& kernel, block_dequantize_args args,
                          std::int64_t scales_count, int threads) {
  const std::int64_t all = args.count / args.block + (args.count % args.block != 0);
  const std::int64_t blocks = std::min(all, scales_count);
  const bool wide = std::string_view(kernel.format) == "device_tl1";
  const span_guard span(row_index(kernel),
                        4 * args.count + (wide ? args.count : args.count / 4) + 4 * blocks,
                        args.count);
  auto* const fn = kernel_cast<block_dequantize_args>(kernel);
  for_rows(threads, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    block_dequantize_args part = args;
    part.block_begin = begin;
    part.block_end = end;
    fn(part);
  });
  if (blocks < all) std::fill(args.x + blocks * args.block, args.x + args.count, 0.0f);
}

}  // namespace bp
