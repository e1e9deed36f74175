// embed: rows of a packed matrix as float32, out[m, :] = W[tokens[m], :].
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract of every variant embed_<format>_<isa>, rows row_begin .. row_end of `out`:
//   - formats are those of formats/dense.inc, K a multiple of their block; 0 <= tokens[m] < N.
//   - f32, f16, bf16: the exact value. q8_0, q4_0: d * q; q6_k: (d * sc) * q; q4_k:
//     (d * sc) * q - (dmin * m); each operation rounded to float32, as ggml does.
//   - every ISA gives the same bits. No pointer is aligned; nothing outside the rows is read.
struct embed_args {
  const std::uint8_t* w;  // [N][K / block] blocks
  std::int64_t N, K;
  const std::int32_t* tokens;  // [M]
  float* out;                  // [M, K]
  std::int64_t M;
  std::int64_t row_begin, row_end;  // set by the driver
};

// All rows on `threads` threads, as one span.
void run_embed(const kernel_row& kernel, const embed_args& args, int threads);

}  // namespace bp
