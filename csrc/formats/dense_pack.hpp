// float32 to the formats of embeddings and LM heads.
#pragma once

#include <cstdint>

#include "formats/dense.hpp"

namespace bp {

// Packs w, [N, K], into `out` (dense_bytes of it) on `threads` threads. K is a multiple of the
// block.
//   f32 as it is; f16, bf16 rounded half to even
//   q8_0, q4_0: the bytes of ggml's quantize_row_q8_0_ref and quantize_row_q4_0_ref
//   q6_k, q4_k: one pass, without ggml's search for better scales. No weight is clipped, so that
//   each
//     is at most half a step off, where with A = max |w| of 256 weights and a of the run itself
//     q6_k: step <= (a / 31 + A / (31 * 127)) (1 + 2^-9), runs of 16
//     q4_k: step <= ((high + low) / 15 + 2 A / 15 / 63 + A / 63 / 15) (1 + 2^-9), runs of 32, with
//           high = max(0, largest), low = max(0, -smallest)
//     and 127 * 2^-24 more at the most, where float16 has no smaller scale
// Returns the flat index of the first weight that is NaN, infinite or beyond what the format holds
// (for block formats: of the block whose float16 scale is beyond it), -1 where all are packed.
std::int64_t pack_dense(const dense_format& format, const float* w, std::int64_t N, std::int64_t K,
                        std::uint8_t* out, int threads);

}  // namespace bp
