// Kernels that run one after the other on a few rows at a time: what one writes, the next reads out
// of the cache.
#pragma once

#include <cstdint>
#include <span>

#include "core/registry.hpp"

namespace bp {

// One kernel of a chain. `rows` runs it on rows [begin, end); `work` is that of all rows.
struct chain_step {
  std::int32_t operation;  // whose span is around the kernel's
  const kernel_row* kernel;
  kernel_work work;
  const void* args;
  std::int64_t width;  // values of a row
  void (*rows)(const chain_step& step, std::int64_t begin, std::int64_t end);
};

// A step of a kernel over rows. `args` must outlive it.
template <class Args>
chain_step step_over_rows(std::int32_t operation, const kernel_row& kernel, kernel_work work,
                          const Args& args) {
  return {operation,
          &kernel,
          work,
          &args,
          args.K,
          [](const chain_step& step, std::int64_t begin, std::int64_t end) {
            Args part = *static_cast<const Args*>(step.args);
            part.row_begin = begin;
            part.row_end = end;
            kernel_cast<Args> (*step.kernel)(part);
          }};
}

// The same of an elementwise kernel, over rows of `width` values.
template <class Args>
chain_step step_over_values(std::int32_t operation, const kernel_row& kernel, const Args& args,
                            std::int64_t width) {
  return {operation,
          &kernel,
          work_of(args),
          &args,
          width,
          [](const chain_step& step, std::int64_t begin, std::int64_t end) {
            Args part = *static_cast<const Args*>(step.args);
            part.begin = begin * step.width;
            part.end = end * step.width;
            kernel_cast<Args> (*step.kernel)(part);
          }};
}

inline constexpr std::size_t most_chain_steps = 3;

// Rows [0, M) of a layer through `steps`, at most most_chain_steps. Each is recorded as a span, and
// those of one operation as a span around them: the time of the chain is divided as the calling
// thread's part of it was.
void run_chain(std::span<const chain_step> steps, std::int64_t M, std::int64_t layer, int threads);

}  // namespace bp
