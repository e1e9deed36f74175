// Rows of tq1_0 on ARM: trits as weights -1, 0, 1 against activations, in the sums of arm_dot.hpp.
#pragma once

#include "kernels/arm_dot.hpp"
#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/tq1_0_rows.hpp"
#include "kernels/half.hpp"

namespace bp {
namespace {

// The leading trit of each byte, a fraction of 256, as a weight: -1 up to 85 (256 / 3 = 85.3), 1
// from 171 on. A comparison gives -1 where it holds.
inline uint8x16_t leading_weight(uint8x16_t bytes) {
  return vsubq_u8(vcltq_u8(bytes, vdupq_n_u8(86)), vcgeq_u8(bytes, vdupq_n_u8(171)));
}

// GCC would shift and add, did it know the factor.
inline uint8x16_t times_3(uint8x16_t bytes) {
  uint8x16_t three = vdupq_n_u8(3);
  asm("" : "+w"(three));
  return vmulq_u8(bytes, three);
}

// use(i, v) for i = 0 .. 15: byte j of v is weight 16 i + j of the block.
//   0-9    32 bytes times 1, 3, 9, 27, 81
//   10-14  16 bytes times the same
//   15     4 bytes times 1, 3, 9, 27
template <class Use>
inline __attribute__((always_inline)) void block_weights_of(const std::uint8_t* w, Use&& use) {
  uint8x16_t a = load(w), b = load(w + 16), c = load(w + 32);
#pragma GCC unroll 5
  for (int i = 0; i < 5; ++i) {
    use(2 * i, leading_weight(a));
    use(2 * i + 1, leading_weight(b));
    use(10 + i, leading_weight(c));
    if (i == 4) break;
    a = times_3(a);
    b = times_3(b);
    c = times_3(c);
  }
  std::uint32_t last;
  __builtin_memcpy(&last, w + 48, sizeof last);
  const uint8x16_t powers =
      vreinterpretq_u8_u32(uint32x4_t{0x01010101, 0x01010101 * 3, 0x01010101 * 9, 0x01010101 * 27});
  use(15, leading_weight(vmulq_u8(vreinterpretq_u8_u32(vdupq_n_u32(last)), powers)));
}

#if defined(__ARM_FEATURE_DOTPROD)
// A block adds at most 16 * 4 * 128 in magnitude to a lane of int32: 2^27 with largest_columns.
constexpr std::int64_t blocks_before_widening = 1 << 14;
#else
// A block adds 16 products of at most 128 in magnitude to a lane of int16: 15 blocks stay below it.
constexpr std::int64_t blocks_before_widening = 15;
#endif

// Row n against T tokens from token m on: weights are unpacked once for all of them. One token has
// two sums, so that one waits for the other less.
template <int T>
inline void tq1_0_row(const product_args& args, std::int64_t n, std::int64_t m) {
  constexpr int chains = T == 1 ? 2 : 1;
  const std::int64_t blocks = args.K / tq1_0::block_weights, ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = args.w + n * blocks * tq1_0::block_bytes;
  const std::int8_t* q = args.q + m * args.K;
  int32x4_t wide[T];
  for (auto& v : wide) v = vdupq_n_s32(0);
  for (std::int64_t b = 0; b < blocks;) {
    const std::int64_t left = blocks - b;
    const std::int64_t stop = b + (left < blocks_before_widening ? left : blocks_before_widening);
    partial sums[T * chains];
    for (; b < stop; ++b, w += tq1_0::block_bytes, q += tq1_0::block_weights) {
      prefetch(w + ahead);
      block_weights_of(w, [&](int i, uint8x16_t v) {
#pragma GCC unroll 4
        for (int t = 0; t < T; ++t) add(sums[t + i % chains * T], v, load(q + t * args.K + 16 * i));
      });
    }
    for (int i = 0; i < T * chains; ++i) wide[i % T] = vaddq_s32(wide[i % T], widened(sums[i]));
  }
  for (int t = 0; t < T; ++t) args.y[(m + t) * args.N + n] = vaddvq_s32(wide[t]);
}

// scaled[m, n]: blocks in order, d_b * float32(sum_b).
inline void tq1_0_scaled_row(const product_args& args, std::int64_t n, std::int64_t m) {
  const std::int64_t blocks = args.K / tq1_0::block_weights, ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = args.w + n * blocks * tq1_0::block_bytes;
  const std::int8_t* q = args.q + m * args.K;
  float total = 0.0f;
  for (std::int64_t b = 0; b < blocks; ++b) {
    prefetch(w + ahead);
    partial sums[2];
    block_weights_of(w, [&](int i, uint8x16_t v) { add(sums[i % 2], v, load(q + 16 * i)); });
    const int32x4_t sum = vaddq_s32(widened(sums[0]), widened(sums[1]));
    const float d = half_to_float(w + tq1_0::scale_offset) * activation_scale(args, blocks, m, b);
    total += d * static_cast<float>(vaddvq_s32(sum));
    w += tq1_0::block_bytes;
    q += tq1_0::block_weights;
  }
  args.scaled[m * args.N + n] = total;
}

inline void tq1_0_by_rows(const product_args& args) {
  if (args.step == product_step::plan) args.needs->sums = false;
  tq1_0_rows<tq1_0_row<4>, tq1_0_row<1>, tq1_0_scaled_row>(args);
}

}  // namespace
}  // namespace bp
