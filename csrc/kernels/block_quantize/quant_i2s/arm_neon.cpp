#include <arm_neon.h>

#include "kernels/block_quantize/block_quantize.hpp"
#include "kernels/block_quantize/scalar.hpp"

namespace bp {
namespace {

// A lane of ones where the value is finite: |x| <= the largest float is false for NaN too.
inline uint32x4_t finite_lanes(float32x4_t x) {
  return vcaleq_f32(x, vdupq_n_f32(largest));
}

inline float finite_absmax16(const float* x, std::int64_t n) {
  float32x4_t most = vdupq_n_f32(0.0f);
  for (std::int64_t i = 0; i < n; i += 4) {
    const float32x4_t v = vld1q_f32(x + i);
    const uint32x4_t kept = vandq_u32(vreinterpretq_u32_f32(vabsq_f32(v)), finite_lanes(v));
    most = vmaxq_f32(most, vreinterpretq_f32_u32(kept));
  }
  return vmaxvq_f32(most);
}

// Codes of four values: 2 + (r >= 0.5) - (r <= -0.5) - (r <= -1.5), 2 where x is not finite. A
// comparison gives -1 where it holds.
inline uint32x4_t codes4(const float* at, float32x4_t scale) {
  const float32x4_t x = vld1q_f32(at);
  const float32x4_t r = vdivq_f32(x, scale);
  const uint32x4_t two = vdupq_n_u32(2);
  uint32x4_t code = vsubq_u32(two, vcgeq_f32(r, vdupq_n_f32(0.5f)));
  code = vaddq_u32(code, vcleq_f32(r, vdupq_n_f32(-0.5f)));
  code = vaddq_u32(code, vcleq_f32(r, vdupq_n_f32(-1.5f)));
  return vbslq_u32(finite_lanes(x), code, two);
}

inline uint16x8_t codes8(const float* x, float32x4_t scale) {
  return vcombine_u16(vmovn_u32(codes4(x, scale)), vmovn_u32(codes4(x + 4, scale)));
}

// 16 codes to four bytes:
//   times 1 4 16 64      c0 4c1 16c2 64c3 c4 ...
//   adjacent pairs       c0+4c1 16c2+64c3 ...
//   pairs of those       one byte for four codes
inline void store16(std::uint8_t* data, const float* x, float32x4_t scale) {
  const uint8x16_t codes =
      vcombine_u8(vmovn_u16(codes8(x, scale)), vmovn_u16(codes8(x + 8, scale)));
  const uint8x16_t weights = vreinterpretq_u8_u32(vdupq_n_u32(0x40100401));
  const uint8x16_t placed = vmulq_u8(codes, weights);
  const uint8x16_t pairs = vpaddq_u8(placed, placed);
  const std::uint32_t four = vgetq_lane_u32(vreinterpretq_u32_u8(vpaddq_u8(pairs, pairs)), 0);
  __builtin_memcpy(data, &four, sizeof four);
}

}  // namespace

// Whole blocks of a multiple of 16 values; other blocks and the last, partial one value by value.
void block_quantize_quant_i2s_arm_neon(const block_quantize_args& args) {
  std::int64_t b = args.block_begin;
  const std::int64_t whole = args.count / args.block;
  const std::int64_t end = args.block % 16 != 0     ? b
                           : whole < args.block_end ? whole
                                                    : args.block_end;
  for (; b < end; ++b) {
    const float* x = args.x + b * args.block;
    const float scale = quant_scale(finite_absmax16(x, args.block));
    args.scales[b] = scale;
    std::uint8_t* data = args.data + b * args.block / 4;
    for (std::int64_t i = 0; i < args.block; i += 16)
      store16(data + i / 4, x + i, vdupq_n_f32(scale));
  }
  encode_blocks<quant_i2s>(args, b, args.block_end);
}

}  // namespace bp
