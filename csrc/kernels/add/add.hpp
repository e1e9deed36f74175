// add: the residual connection of a layer.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract: x[i] += y[i], rounded to float32: variants are bit-equal. x, y: float32[count]; y may
// be x.
struct add_args {
  float* x;
  const float* y;
  std::int64_t count;
  std::int64_t begin, end;  // set by the driver
};

inline kernel_work work_of(const add_args& args) {
  return {12 * args.count, args.count};
}

void run_add(const kernel_row& kernel, const add_args& args, int threads);

}  // namespace bp
