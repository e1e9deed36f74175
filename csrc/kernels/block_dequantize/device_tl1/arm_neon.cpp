#include "kernels/block_dequantize/arm_neon.hpp"

#include "kernels/block_dequantize/block_dequantize.hpp"

namespace bp {
namespace {

inline float32x4_t look_up(uint8x16x4_t table, uint16x4_t codes) {
  return vreinterpretq_f32_u8(vqtbl4q_u8(table, entry_bytes(vmovl_u16(codes))));
}

}  // namespace

void block_dequantize_device_tl1_arm_neon(const block_dequantize_args& args) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(device_tl1_decoder.table);
  const uint8x16x4_t table{
      {vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
  for (std::int64_t b = args.block_begin; b < args.block_end; ++b) {
    const float scale = args.scales[b];
    std::int64_t i = b * args.block;
    const std::int64_t left = args.count - i, stop = i + (left < args.block ? left : args.block);
    for (; i + 8 <= stop; i += 8) {
      const uint16x8_t codes = vmovl_u8(vmin_u8(vld1_u8(args.data + i), vdup_n_u8(15)));
      vst1q_f32(args.x + i, vmulq_n_f32(look_up(table, vget_low_u16(codes)), scale));
      vst1q_f32(args.x + i + 4, vmulq_n_f32(look_up(table, vget_high_u16(codes)), scale));
    }
    for (; i < stop; ++i) args.x[i] = decode(device_tl1_decoder, args.data, i, scale);
  }
}

}  // namespace bp
