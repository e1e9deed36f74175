// The float end of a product, one for all instruction sets: no result depends on the ISA.
#pragma once

#include "kernels/gemv/gemv.hpp"

namespace bp {

// Rows row_begin .. row_end of out, for every m, in place. out holds int32 sums (y is written over
// the same memory) or, with block_scales, float32 sums over blocks:
//   one scale:     out = float32(sum) / s * weight_scale
//   block scales:  out = scaled / s
//   act_blocks:    out = scaled * weight_scale (1 where the blocks of W hold scales)
// Error against the exact value of the same expression, u = 2^-24, nothing overflowing: one scale:
// 3 u relative (conversion, division, product); block scales, B blocks: (B + 2) u / s times
// sum |d_b * sum_b|.
void apply_scales(const product_args& args);

}  // namespace bp
