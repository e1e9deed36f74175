// silu_mul: the SiLU of a gate times the other half of a feed-forward layer.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract: out[i] = gate[i] / (1 + exp(-gate[i])) * up[i].
// gate, up, out: float32[count]; out may be gate or up.
// Bound: |out - exact| <= 2^-21 |exact| + 2^-121 |up| + 2^-148 on every ISA (below -88.7 exp
// overflows and the result is -0). A value's result depends on nothing but gate[i] and up[i].
struct silu_mul_args {
  const float* gate;
  const float* up;
  float* out;
  std::int64_t count;
  std::int64_t begin, end;  // set by the driver
};

inline kernel_work work_of(const silu_mul_args& args) {
  return {12 * args.count, 5 * args.count};
}

void run_silu_mul(const kernel_row& kernel, const silu_mul_args& args, int threads);

}  // namespace bp
