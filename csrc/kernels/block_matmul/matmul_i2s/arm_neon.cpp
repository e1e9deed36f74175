#include "kernels/arm_neon_float.hpp"

#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_matmul/eight.hpp"

namespace bp {
namespace {

inline eight bytes_as_floats(const std::uint8_t* p) {
  const uint16x8_t words = vmovl_u8(vld1_u8(p));
  return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(words))), vcvtq_f32_u32(vmovl_high_u16(words))};
}

}  // namespace

void block_matmul_matmul_i2s_arm_neon(const block_matmul_args& args) {
  multiply_all(args, byte_columns<bytes_as_floats>{args});
}

}  // namespace bp
