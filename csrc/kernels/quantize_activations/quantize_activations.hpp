// quantize_activations: float [M, K] to int8 with one scale a row.
#pragma once

#include <cstdint>

#include "core/registry.hpp"

namespace bp {

enum class float_kind { float32, float16, bfloat16 };

// Contract of every variant quantize_activations_<format>_<isa>, rows row_begin .. row_end:
//   q8_act   amax = max(1e-5, max |x|), s = 127 / amax, values = round_half_even(x * s), sum the
//            exact sum of the values; s and each x * s are rounded to float32. |x * s| is at most
//            127 (1 + 2^-22), so a value is never outside -127 .. 127 and needs no clamp.
//   A row with NaN or infinity gets scale 0, and its values and sum are unspecified.
//   Every ISA gives the same bits.
struct quantize_activations_args {
  const void* x;    // [M, K] of `kind` for the driver; float32 for a variant
  float_kind kind;  // wider than it need be for a variant
  std::int8_t* values;
  float* scale;       // [M]
  std::int32_t* sum;  // [M]
  std::int64_t M, K;  // K <= largest_columns (layout.hpp): the sum holds
  std::int64_t row_begin, row_end;
};

inline constexpr float least_amax = 1e-5f;

// All rows on `threads` threads, as one span. Returns the flat index of the first value that is NaN
// or infinite, -1 where there is none; then every result is set.
std::int64_t run_quantize_activations(const kernel_row& kernel, quantize_activations_args args,
                                      int threads);

}  // namespace bp
