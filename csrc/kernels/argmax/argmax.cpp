#include "kernels/argmax/argmax.hpp"

#include <array>

#include "kernels/float_rows.hpp"

namespace bp {
namespace {

// `next`, of what stands behind `first`, joined to it.
argmax_result joined(const float* x, const argmax_result& first, const argmax_result& next) {
  if (first.bad >= 0) return first;
  if (next.bad >= 0) return next;
  if (first.largest >= 0 && (next.largest < 0 || !(x[next.largest] > x[first.largest])))
    return first;
  return next;
}

argmax_result of_part(const kernel_row& kernel, argmax_args args, std::int64_t begin,
                      std::int64_t end) {
  argmax_result found{-1, -1};
  if (begin == end) return found;
  args.begin = begin;
  args.end = end;
  args.found = &found;
  kernel_cast<argmax_args>(kernel)(args);
  return found;
}

}  // namespace

argmax_result run_argmax(const kernel_row& kernel, const argmax_args& args, int threads) {
  const kernel_work work = work_of(args);
  const span_guard span(row_index(kernel), work.bytes, work.ops);
  if (args.count < values_before_threads) threads = 1;
  const std::int64_t chunks = threads > 1 ? std::int64_t{4} * threads : 1;
  std::array<argmax_result, std::size_t{4} * max_threads> parts;
  for_chunks(threads, chunks, [&](std::int64_t chunk) {
    parts[static_cast<std::size_t>(chunk)] =
        of_part(kernel, args, args.count * chunk / chunks, args.count * (chunk + 1) / chunks);
  });
  argmax_result found{-1, -1};
  for (std::int64_t i = 0; i < chunks; ++i)
    found = joined(args.x, found, parts[static_cast<std::size_t>(i)]);
  return found;
}

argmax_result run_argmax_without(const kernel_row& kernel, const argmax_args& args,
                                 std::span<const std::int32_t> without) {
  const kernel_work work = work_of(args);
  const span_guard span(row_index(kernel), work.bytes, work.ops);
  argmax_result found{-1, -1};
  std::int64_t begin = 0;
  for (const std::int32_t left_out : without) {
    found = joined(args.x, found, of_part(kernel, args, begin, left_out));
    begin = std::int64_t{left_out} + 1;
  }
  return joined(args.x, found, of_part(kernel, args, begin, args.count));
}

}  // namespace bp
