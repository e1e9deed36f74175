// quantize_activations: float [M, K] to int8 with one scale a row or a block of it.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/kernel.hpp"

namespace bp {

enum class float_kind { float32, float16, bfloat16 };

// Contract of every variant quantize_activations_<format>_<isa>, rows row_begin .. row_end:
//   q8_act   amax = max(1e-5, max |x|), s = 127 / amax, values = round_half_even(x * s), sum the
//            exact sum of the values; s and each x * s are rounded to float32. |x * s| is at most
//            127 (1 + 2^-22), so a value is never outside -127 .. 127 and needs no clamp.
//            A row with NaN or infinity gets scale 0, and its values and sum are unspecified.
//   q8_k     blocks of 256, as ggml's quantize_row_q8_K_ref: max is the first of the values of the
//            largest magnitude, with its sign; i = -127 / max, values = min(127, round_half_even(x
//            * i)), the scale is d = 1 / i: x is about d * value, the inverse of q8_act's.
//            A block of zeros, or one so small that i is infinite, gets d = 0 and values 0.
//   q8_0     blocks of 32, as ggml's quantize_row_q8_0_ref: d = amax / 127, values = round(x * (1 /
//            d)) with halves away from zero, the scale is d rounded to float16: infinite where
//            amax >= 8321040. Where 1 / d is infinite: d = 0 and values 0.
//   In q8_k and q8_0 values are in -127 .. 127, and a block with NaN or infinity gets scale NaN,
//   values 0 and sum 0. Every ISA gives the same bits.
struct quantize_activations_args {
  const void* x;    // [M, K] of `kind` for the driver; float32 for a variant
  float_kind kind;  // wider than it need be for a variant
  std::int8_t* values;
  float* scale;       // [M, activation_blocks(format, K)]
  std::int32_t* sum;  // the same
  std::int64_t M, K;  // K <= largest_columns (layout.hpp): the sum holds; a multiple of the block
  std::int64_t row_begin, row_end;
};

inline constexpr float least_amax = 1e-5f;

// Values under one scale; 0: a row. An unknown format raises error_kind::format.
std::int64_t activation_block(std::string_view format);

// Scales of a row of K values.
inline std::int64_t activation_blocks(std::string_view format, std::int64_t K) {
  const std::int64_t block = activation_block(format);
  return block == 0 ? 1 : K / block;
}

kernel_work work_of(const kernel_row& kernel, const quantize_activations_args& args);

// Of rows that a variant has quantized: the flat index of the first value that is NaN or infinite,
// -1 where there is none.
std::int64_t first_bad_activation(const kernel_row& kernel, const quantize_activations_args& args);

// All rows on `threads` threads, as one span. Returns what first_bad_activation() does; where that
// is -1, every result is set.
std::int64_t run_quantize_activations(const kernel_row& kernel, quantize_activations_args args,
                                      int threads);

}  // namespace bp
