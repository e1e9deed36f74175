// NEON encoders: a maximum over the block, then comparisons (steps.hpp) or, for device_tl1 and
// device_tl2, a division. Blocks that the comparisons do not cover, and blocks that are not a
// multiple of 16 values, take the scalar path.
#pragma once

#include <arm_neon.h>

#include "kernels/block_quantize/scalar.hpp"
#include "kernels/block_quantize/steps.hpp"

namespace bp {
namespace {

// absmax() of codecs.hpp, for a multiple of 16 values: NaN is greater than nothing.
inline float absmax_neon(const float* x, std::int64_t n) {
  float32x4_t most[4];
  for (auto& v : most) v = vdupq_n_f32(0.0f);
  for (std::int64_t i = 0; i < n; i += 16) {
    for (int j = 0; j < 4; ++j) {
      const float32x4_t a = vabsq_f32(vld1q_f32(x + i + 4 * j));
      most[j] = vbslq_f32(vcgtq_f32(a, most[j]), a, most[j]);
    }
  }
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(most[0], most[1]), vmaxq_f32(most[2], most[3])));
}

// The smallest float32 not below mid * s, for finite s. One float32 up is +1 on the bits of a
// positive number, -1 on those of a negative one.
inline float threshold(double mid, float s) {
  const double exact = mid * static_cast<double>(s);
  const auto near = static_cast<float>(exact);
  if (!(static_cast<double>(near) < exact)) return near;
  const auto bits = __builtin_bit_cast(std::int32_t, near);
  return __builtin_bit_cast(float, bits + (bits < 0 ? -1 : 1));
}

inline int32x4_t mask_of(uint32x4_t holds) {
  return vreinterpretq_s32_u32(holds);  // true is -1
}

// -1 for each threshold that a value reaches.
template <class Rule>
struct threshold_steps : Rule {
  static constexpr int count = sizeof Rule::mids / sizeof Rule::mids[0];
  float32x4_t at[count];

  explicit threshold_steps(float most) {
    for (int i = 0; i < count; ++i) at[i] = vdupq_n_f32(threshold(Rule::mids[i], Rule::unit(most)));
  }
  int32x4_t lanes(float32x4_t x) const {
    int32x4_t reached = mask_of(vcgeq_f32(x, at[0]));
    for (int i = 1; i < count; ++i) reached = vaddq_s32(reached, mask_of(vcgeq_f32(x, at[i])));
    return reached;
  }
  static int8x16_t codes(int8x16_t reached) { return vnegq_s8(reached); }
};

// +1, 0, -1 by sign: codes 1, 0, 3.
template <class Rule>
struct sign_steps : Rule {
  float32x4_t high, low;

  explicit sign_steps(float most)
      : high(vdupq_n_f32(Rule::scale(most))), low(vdupq_n_f32(-Rule::scale(most))) {}
  int32x4_t lanes(float32x4_t x) const {
    const float32x4_t twice = vaddq_f32(x, x);
    return vsubq_s32(mask_of(vcltq_f32(twice, low)), mask_of(vcgtq_f32(twice, high)));
  }
  static int8x16_t codes(int8x16_t signs) { return vandq_s8(signs, vdupq_n_s8(3)); }
};

// trunc((x / s + 1) * half_range), `halves` being twice half_range; NaN becomes 0.
template <int halves>
struct level_steps : device_level_rule {
  float32x4_t s;

  explicit level_steps(float most) : s(vdupq_n_f32(most)) {}
  int32x4_t lanes(float32x4_t x) const {
    const float32x4_t above = vaddq_f32(vdivq_f32(x, s), vdupq_n_f32(1.0f));
    return vcvtq_s32_f32(vmulq_n_f32(above, 0.5f * halves));
  }
  static int8x16_t codes(int8x16_t levels) { return levels; }
};

template <class Steps>
inline uint8x16_t codes_16(const Steps& steps, const float* x) {
  const int16x8_t low =
      vcombine_s16(vmovn_s32(steps.lanes(vld1q_f32(x))), vmovn_s32(steps.lanes(vld1q_f32(x + 4))));
  const int16x8_t high = vcombine_s16(vmovn_s32(steps.lanes(vld1q_f32(x + 8))),
                                      vmovn_s32(steps.lanes(vld1q_f32(x + 12))));
  return vreinterpretq_u8_s8(Steps::codes(vcombine_s8(vmovn_s16(low), vmovn_s16(high))));
}

// 16 codes to four bytes:
//   times 1 4 16 64      c0 4c1 16c2 64c3 c4 ...
//   adjacent pairs       c0+4c1 16c2+64c3 ...
//   pairs of those       one byte for four codes
inline std::uint32_t packed(uint8x16_t codes) {
  const uint8x16_t placed = vmulq_u8(codes, vreinterpretq_u8_u32(vdupq_n_u32(0x40100401)));
  const uint8x16_t pairs = vpaddq_u8(placed, placed);
  return vgetq_lane_u32(vreinterpretq_u32_u8(vpaddq_u8(pairs, pairs)), 0);
}

template <class Codec>
inline void store_16(std::uint8_t* data, std::int64_t i, uint8x16_t codes) {
  if constexpr (Codec::bytes) {
    vst1q_u8(data + i, codes);
  } else {
    std::uint32_t word = packed(codes);
    if constexpr (Codec::merges) {
      std::uint32_t old;
      __builtin_memcpy(&old, data + i / 4, sizeof old);
      word |= old;
    }
    __builtin_memcpy(data + i / 4, &word, sizeof word);
  }
}

// Steps is a rule of steps.hpp; Steps(most) compares.
template <class Codec, class Steps>
inline void encode_blocks_neon(const block_quantize_args& args) {
  std::int64_t b = args.block_begin;
  const std::int64_t whole = args.count / args.block;  // the last, partial block is scalar
  const std::int64_t end = args.block % 16 != 0     ? b
                           : whole < args.block_end ? whole
                                                    : args.block_end;
  for (; b < end; ++b) {
    const std::int64_t begin = b * args.block;
    const float most = absmax_neon(args.x + begin, args.block);
    if (!Steps::admits(most)) [[unlikely]] {
      encode_blocks<Codec>(args, b, b + 1);
      continue;
    }
    args.scales[b] = Steps::scale(most);
    const Steps steps(most);
    for (std::int64_t i = begin; i < begin + args.block; i += 16)
      store_16<Codec>(args.data, i, codes_16(steps, args.x + i));
  }
  encode_blocks<Codec>(args, b, args.block_end);
}

}  // namespace
}  // namespace bp
