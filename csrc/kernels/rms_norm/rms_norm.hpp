// rms_norm: rows divided by their root mean square, times a weight per column.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract: out[m,k] = x[m,k] * s[m] * weight[k] in this order, each product rounded to float32,
// with s[m] = 1 / sqrt(sum_k x[m,k]^2 / K + eps), calculated in float64 and rounded once.
// x and out are float32[M, K], weight float32[K], C order, aligned to a float; out may be x itself.
// Finite values, eps >= 2^-126 (so that s is finite).
// Bound: three roundings, |out - exact| <= 2^-22 |exact| + 2^-148, on every ISA, where the root
// mean square is at most 2^126 (above, s is subnormal) and x * s does not underflow.
// A row's result depends on that row alone; variants differ where s rounds the other way.
struct rms_norm_args {
  const float* x;
  const float* weight;
  float* out;
  std::int64_t M, K;
  float eps;
  std::int64_t row_begin, row_end;  // set by the driver
};

inline kernel_work work_of(const rms_norm_args& args) {
  return {4 * (2 * args.M * args.K + args.K), 4 * args.M * args.K};
}

void run_rms_norm(const kernel_row& kernel, const rms_norm_args& args, int threads);

}  // namespace bp
