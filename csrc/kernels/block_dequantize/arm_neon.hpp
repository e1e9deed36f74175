#pragma once

#include <arm_neon.h>

#include "kernels/block_dequantize/scalar.hpp"

namespace bp {
namespace {

// The bytes of entries code[0 .. 3] of a table of float32.
inline uint8x16_t entry_bytes(uint32x4_t codes) {
  return vreinterpretq_u8_u32(vmlaq_u32(vdupq_n_u32(0x03020100), codes, vdupq_n_u32(0x04040404)));
}

// Four values from the codes at bits `from` .. `from` + 7 of a word, from a table of four entries.
template <int from>
inline void decode_four(uint32x4_t word, uint8x16_t table, float* x) {
  const int32x4_t down{-from, -from - 2, -from - 4, -from - 6};
  const uint32x4_t codes = vandq_u32(vshlq_u32(word, down), vdupq_n_u32(3));
  vst1q_f32(x, vreinterpretq_f32_u8(vqtbl1q_u8(table, entry_bytes(codes))));
}

// 16 values from the 16 codes of a dword; table[code] is multiplied by the scale before.
inline void decode_16(const std::uint8_t* data, uint8x16_t table, float* x) {
  std::uint32_t word;
  __builtin_memcpy(&word, data, sizeof word);
  const uint32x4_t all = vdupq_n_u32(word);
  decode_four<0>(all, table, x);
  decode_four<8>(all, table, x + 4);
  decode_four<16>(all, table, x + 8);
  decode_four<24>(all, table, x + 12);
}

// Two-bit codecs. Blocks that do not begin on a whole byte take the scalar path.
inline void decode_blocks_neon(const block_dequantize_args& args, const decoder& codec) {
  if (args.block % 4 != 0) return decode_blocks(args, codec);
  const float32x4_t entries = vld1q_f32(codec.table);
  for (std::int64_t b = args.block_begin; b < args.block_end; ++b) {
    const float scale = args.scales[b];
    const uint8x16_t table = decodes_to_zero(codec, scale)
                                 ? vdupq_n_u8(0)
                                 : vreinterpretq_u8_f32(vmulq_n_f32(entries, scale));
    std::int64_t i = b * args.block;
    const std::int64_t left = args.count - i, stop = i + (left < args.block ? left : args.block);
    for (; i + 16 <= stop; i += 16) decode_16(args.data + i / 4, table, args.x + i);
    for (; i < stop; ++i) args.x[i] = decode(codec, args.data, i, scale);
  }
}

}  // namespace
}  // namespace bp
