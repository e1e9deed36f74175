// Weights in floating point to packed ternary weights with one scale per tensor, and back.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"
#include "formats/layout.hpp"

namespace bp {

// absmean      s = max(mean |w|, 1e-5), code = round(w / s) clamped to -1 .. 1 (BitNet b1.58).
//              round is half to even, so |w| = s / 2 gives 0: code = sign(w) where 2 |w| > s.
//              The mean is a float64 sum in a fixed order, the same for any number of threads.
// absmax_sign  s = max |w|, code = 0 where |w| < 1e-6, else sign(w) (official converter, for
//              weights that are ternary already).
// given        as absmean, with the s that is given (> 0).
enum class scale_rule { absmean, absmax_sign, given };

struct float_matrix {
  const void* data;  // [N, K], rows contiguous
  bool half;         // float16, else float32
};

// Both of one instruction set, or the best of each: `ternarize` of the type of the weights.
struct quantize_kernels {
  const kernel_row& ternarize;
  const kernel_row& pack;
};

// Packs x into `data` (packed_bytes(w), cleared) and writes the scale where the
// format keeps it; returns it as it is kept. Codes are made with the float32 scale, also where the
// format then rounds it to float16. NaN or infinity: error_kind::format with its place.
float quantize_weights(const quantize_kernels& kernels, const layout& w, const float_matrix& x,
                       scale_rule rule, float given, std::uint8_t* data, int threads);

// y [N, K] = code * scale with an unpack kernel; where block_scales (float32 [N, K_padded / 256])
// is not null its values are the scales.
void dequantize_weights(const kernel_row& kernel, const layout& w, const std::uint8_t* data,
                        float scale, const float* block_scales, float* y, int threads);

// Packs the weights of `from` again as `to` (same N and K): lossless, scales apart.
void repack(const kernel_row& unpack_kernel, const layout& from, const std::uint8_t* source,
            const kernel_row& pack_kernel, const layout& to, std::uint8_t* data, int threads);

}  // namespace bp
