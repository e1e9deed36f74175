// tq2_0: 2-bit codes in blocks of 256 weights with a float16 scale, 66 bytes a block.
//
// Two runs of 128 weights in 32 bytes each; byte m (0..31) of a run holds
//   bits 1-0  weight m       bits 3-2  weight 32 + m
//   bits 5-4  weight 64 + m  bits 7-6  weight 96 + m     (codes -1 -> 0, 0 -> 1, +1 -> 2)
// then d, float16, little-endian.
#pragma once

#include <cstdint>

namespace bp::tq2_0 {

inline constexpr int block = 256;
inline constexpr int block_bytes = 66;
inline constexpr int scale_at = 64;

// 256 weights to 64 code bytes and d; false where a weight is none of -1, 0, 1.
static inline bool pack_block(const std::int8_t* w, std::uint16_t d, std::uint8_t* out) {
  unsigned bad = 0;
  for (int m = 0; m < 64; ++m) {
    const std::int8_t* run = w + m / 32 * 128 + m % 32;
    const auto code = [&](int at) { return static_cast<std::uint8_t>(run[at] + 1); };
    const unsigned a = code(0), b = code(32), c = code(64), e = code(96);
    out[m] = static_cast<std::uint8_t>(a | b << 2 | c << 4 | e << 6);
    bad |= (a > 2) | (b > 2) | (c > 2) | (e > 2);
  }
  out[scale_at] = static_cast<std::uint8_t>(d);
  out[scale_at + 1] = static_cast<std::uint8_t>(d >> 8);
  return bad == 0;
}

static inline void unpack_block(const std::uint8_t* data, std::int8_t* w) {
  for (int m = 0; m < 64; ++m) {
    std::int8_t* run = w + m / 32 * 128 + m % 32;
    run[0] = static_cast<std::int8_t>((data[m] & 3) - 1);
    run[32] = static_cast<std::int8_t>((data[m] >> 2 & 3) - 1);
    run[64] = static_cast<std::int8_t>((data[m] >> 4 & 3) - 1);
    run[96] = static_cast<std::int8_t>((data[m] >> 6) - 1);
  }
}

}  // namespace bp::tq2_0
