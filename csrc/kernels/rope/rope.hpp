// rope: rotary position embedding, in place.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract: in each of `heads` heads of each of M rows, pair i of [0, rope_dim / 2) is turned:
//   a' = a * cos[m,i] - b * sin[m,i]      b' = a * sin[m,i] + b * cos[m,i]
// a, b are values i and i + rope_dim / 2 of the head, or 2i and 2i + 1 where `interleaved`; values
// from rope_dim on stay. Each product and sum is rounded to float32: variants are bit-equal.
// x: float32, head h of row m begins at x + m * row_stride + h * head_dim; cos, sin:
// float32[M, rope_dim / 2]. rope_dim is even and at most head_dim, row_stride >= heads * head_dim.
struct rope_args {
  float* x;
  std::int64_t M, heads, head_dim, row_stride;
  const float* cos;
  const float* sin;
  std::int64_t rope_dim;
  bool interleaved;
  std::int64_t row_begin, row_end;  // set by the driver
};

void run_rope(const kernel_row& kernel, const rope_args& args, int threads);

}  // namespace bp
