#include "kernels/softmax/softmax.hpp"

#include "kernels/float_rows.hpp"

namespace bp {

void run_softmax(const kernel_row& kernel, const softmax_args& args, int threads) {
  const kernel_work work = work_of(args);
  const span_guard span(row_index(kernel), work.bytes, work.ops);
  auto* const fn = kernel_cast<softmax_args>(kernel);
  if (args.count < values_before_threads) threads = 1;
  for_rows(threads, softmax_blocks(args), 1, [&](std::int64_t begin, std::int64_t end) {
    softmax_args part = args;
    part.begin = begin;
    part.end = end;
    fn(part);
  });
}

}  // namespace bp
