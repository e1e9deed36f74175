#include <arm_neon.h>

#include "kernels/gemv/gemv.hpp"

namespace bp {
namespace {

// Sums of a group of 128 weights in int16: each lane of `low` and of `high` adds eight products of
// at most 2 * 128 in magnitude, 2048, so 16 groups reach -32768 at the lowest and 32512 at the
// highest, and int16 never wraps.
constexpr std::int64_t groups_before_widening = 16;

struct sums {
  int16x8_t low, high;
};

// low and high: bytes 0-7 and 8-15 of both vectors.
inline void multiply(sums& s, uint8x16_t codes, const std::int8_t* q) {
  const int8x16_t c = vreinterpretq_s8_u8(codes), x = vld1q_s8(q);
  s.low = vmlal_s8(s.low, vget_low_s8(c), vget_low_s8(x));
  s.high = vmlal_high_s8(s.high, c, x);
}

// 16 bytes of a group, `q` at its first weight: byte p holds weights p, 32 + p, 64 + p, 96 + p from
// the top bits down.
inline void multiply_bytes(sums& s, const std::uint8_t* w, const std::int8_t* q) {
  const uint8x16_t mask = vdupq_n_u8(3), v = vld1q_u8(w);
  multiply(s, vshrq_n_u8(v, 6), q);
  multiply(s, vandq_u8(vshrq_n_u8(v, 4), mask), q + 32);
  multiply(s, vandq_u8(vshrq_n_u8(v, 2), mask), q + 64);
  multiply(s, vandq_u8(v, mask), q + 96);
}

inline std::int32_t row_sum(const std::uint8_t* w, const std::int8_t* q, std::int64_t groups,
                            std::int64_t ahead) {
  int32x4_t wide = vdupq_n_s32(0);
  for (std::int64_t g = 0; g < groups;) {
    const std::int64_t left = groups - g;
    const std::int64_t stop = g + (left < groups_before_widening ? left : groups_before_widening);
    sums narrow{vdupq_n_s16(0), vdupq_n_s16(0)};
    for (; g < stop; ++g, w += 32, q += 128) {
      __builtin_prefetch(w + ahead);
      multiply_bytes(narrow, w, q);
      multiply_bytes(narrow, w + 16, q + 16);
    }
    wide = vpadalq_s16(vpadalq_s16(wide, narrow.low), narrow.high);
  }
  return vaddvq_s32(wide);
}

}  // namespace

void gemv_i2_s_arm_neon(const gemv_args& args) {
  if (args.step != product_step::rows) return;
  const std::int64_t groups = args.K / 128;
  const std::uint8_t* w = args.w + args.row_begin * groups * 32;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, w += groups * 32)
    args.y[n] = row_sum(w, args.q, groups, args.tuned.prefetch_bytes) - args.q_sum[0];
}

}  // namespace bp
