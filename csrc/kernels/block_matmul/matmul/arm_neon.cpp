#include "kernels/arm_neon_float.hpp"

#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_matmul/eight.hpp"

namespace bp {
namespace {

// Code 1 is 1, code 3 is -1: bit 0, less bit 1 of those that have it twice.
struct signs {
  uint32x4_t low, high;

  explicit signs(const std::uint32_t* from) : low(vld1q_u32(from)), high(vld1q_u32(from + 4)) {}
  static float32x4_t of(uint32x4_t words) {
    const uint32x4_t one = vandq_u32(words, vdupq_n_u32(1));
    const uint32x4_t sign = vshlq_n_u32(vandq_u32(words, vshlq_n_u32(one, 1)), 30);
    return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(vcvtq_f32_u32(one)), sign));
  }
  eight weights() const { return {of(low), of(high)}; }
  void next() {
    low = vshrq_n_u32(low, 2);
    high = vshrq_n_u32(high, 2);
  }
};

}  // namespace

void block_matmul_matmul_arm_neon(const block_matmul_args& args) {
  multiply_all(args, packed_columns<signs>{args});
}

}  // namespace bp
