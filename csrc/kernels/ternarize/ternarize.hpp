// ternarize: float weights to the codes -1, 0, 1, and what a scale is chosen by.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Of one row: the float64 sum of |x|, added up as eight sums side by side (column k to sum k mod 8,
// in order) and these from the first to the last; the largest |x| as bits, which order like the
// values, or infinity's where there is NaN.
struct row_statistics {
  double sum;
  std::uint32_t largest;
};

enum class ternarize_step { measure, codes };

// Contract of every variant ternarize_<format>_<isa>, format f32 or f16, for `rows` rows of K
// values one behind the other, no alignment required:
//   measure  writes statistics[rows].
//   codes    writes codes[rows, K]: (2 x > bound) - (2 x < -bound), where 2 x is exact or infinite;
//            0 for NaN.
// Every ISA gives the same bits.
struct ternarize_args {
  ternarize_step step;
  const void* x;
  std::int64_t rows, K;
  row_statistics* statistics;
  float bound;
  std::int8_t* codes;
};

// Runs one step over all rows on `threads` threads, as one span.
void run_ternarize(const kernel_row& kernel, const ternarize_args& args, int threads);

}  // namespace bp
