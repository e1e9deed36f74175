// argmax: where the largest value of a row stands, and whether all of its values are numbers.
#pragma once

#include <cstdint>
#include <span>

#include "core/kernel.hpp"

namespace bp {

struct argmax_result {
  std::int64_t largest;  // the lowest index of the largest value; 0 and -0 are equal
  std::int64_t bad;      // the lowest index of a value that is NaN or infinite, -1 where none is
};

// Contract: *found of x[begin, end); where bad is not -1, `largest` means nothing. Exact: variants
// agree. x: float32[count]; begin < end.
struct argmax_args {
  const float* x;
  std::int64_t count;
  std::int64_t begin, end;  // set by the driver, as is found
  argmax_result* found;
};

inline kernel_work work_of(const argmax_args& args) {
  return {4 * args.count, args.count};
}

// Of x[0, count).
argmax_result run_argmax(const kernel_row& kernel, const argmax_args& args, int threads);

// Of the values of x[0, count) whose indices are not in `without`, ascending; -1 where all are.
argmax_result run_argmax_without(const kernel_row& kernel, const argmax_args& args,
                                 std::span<const std::int32_t> without);

}  // namespace bp
