#include "kernels/embed/embed.hpp"

#include "core/spans.hpp"
#include "core/team.hpp"
#include "formats/dense.hpp"

namespace bp {
namespace {

constexpr std::int64_t values_before_threads = 1 << 15;  // below, waking a team costs more

}  // namespace

void run_embed(const kernel_row& kernel, const embed_args& args, int threads) {
  const std::int64_t count = args.M * args.K;
  const dense_format& format = find_dense(kernel.format);
  const span_guard span(row_index(kernel),
                        count / format.block * format.block_bytes + 4 * (args.M + count), count);
  if (count < values_before_threads) threads = 1;
  auto* const fn = kernel_cast<embed_args>(kernel);
  for_rows(threads, args.M, 1, [&](std::int64_t begin, std::int64_t end) {
    embed_args part = args;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
  });
}

}  // namespace bp
