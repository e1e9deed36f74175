// relu2_mul: the squared ReLU of a gate times the other half of a feed-forward layer.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract: out[i] = r * r * up[i] in this order, r = gate[i] > 0 ? gate[i] : 0 (so 0 for NaN);
// each product is rounded to float32: variants are bit-equal.
// gate, up, out: float32[count]; out may be gate or up.
struct relu2_mul_args {
  const float* gate;
  const float* up;
  float* out;
  std::int64_t count;
  std::int64_t begin, end;  // set by the driver
};

inline kernel_work work_of(const relu2_mul_args& args) {
  return {12 * args.count, 3 * args.count};
}

void run_relu2_mul(const kernel_row& kernel, const relu2_mul_args& args, int threads);

}  // namespace bp
