// i2_s: 2-bit codes in groups of 128 weights along K, on every CPU.
//
// Codes -1 -> 0, 0 -> 1, +1 -> 2 (3 is invalid). A group is 32 bytes; byte p (0..31) holds
//   bits 7-6  weight p       bits 5-4  weight 32 + p
//   bits 3-2  weight 64 + p  bits 1-0  weight 96 + p
// Rows follow each other; then one float32 scale at N*K/4 and 28 bytes of padding.
// (One official ARM build packs groups of 64 in 16 bytes under the same type number: another
// format.)
#pragma once

#include <cstdint>

namespace bp::i2_s {

inline constexpr int group = 128;
inline constexpr int group_bytes = 32;

// 128 weights to 32 bytes; false where one is none of -1, 0, 1 (the bytes then mean nothing).
static inline bool pack_group(const std::int8_t* w, std::uint8_t* out) {
  unsigned bad = 0;
  for (int p = 0; p < 32; ++p) {
    const auto code = [&](int at) { return static_cast<std::uint8_t>(w[at + p] + 1); };
    const unsigned a = code(0), b = code(32), c = code(64), d = code(96);
    out[p] = static_cast<std::uint8_t>(a << 6 | b << 4 | c << 2 | d);
    bad |= (a > 2) | (b > 2) | (c > 2) | (d > 2);
  }
  return bad == 0;
}

// 32 bytes of valid codes to 128 weights.
static inline void unpack_group(const std::uint8_t* data, std::int8_t* w) {
  for (int p = 0; p < 32; ++p) {
    w[p] = static_cast<std::int8_t>((data[p] >> 6) - 1);
    w[32 + p] = static_cast<std::int8_t>((data[p] >> 4 & 3) - 1);
    w[64 + p] = static_cast<std::int8_t>((data[p] >> 2 & 3) - 1);
    w[96 + p] = static_cast<std::int8_t>((data[p] & 3) - 1);
  }
}

}  // namespace bp::i2_s
