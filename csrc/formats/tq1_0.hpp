// tq1_0: five ternary digits a byte in blocks of 256 weights with a float16 scale, 54 bytes a
// block.
//
//   32 bytes  byte m holds weights m + 32n         (n = 0..4)
//   16 bytes  byte m holds weights 160 + m + 16n   (n = 0..4)
//    4 bytes  byte m holds weights 240 + m + 4n    (n = 0..3, the fifth digit is 0)
//    2 bytes  d, float16, little-endian
// The digits (-1 -> 0, 0 -> 1, +1 -> 2; n = 0 the most significant) make v in 0..242, the byte is
// ceil(256 * v / 243): a fixed-point fraction, so that digit n is (3 * (byte * 3^n mod 256)) >> 8.
// Every byte decodes to digits 0..2, also those that no encoder writes: all are accepted.
#pragma once

#include <cstdint>

namespace bp::tq1_0 {

inline constexpr int block = 256;
inline constexpr int block_bytes = 54;
inline constexpr int scale_at = 52;

// `bytes` bytes of `digits` digits each, digit n of byte m from w[m + bytes * n].
static inline unsigned pack_part(const std::int8_t* w, int bytes, int digits, std::uint8_t* out) {
  unsigned bad = 0;
  for (int m = 0; m < bytes; ++m) {
    unsigned v = 0;
    for (int n = 0; n < 5; ++n) {
      const unsigned digit = n < digits ? static_cast<std::uint8_t>(w[m + bytes * n] + 1) : 0;
      v = 3 * v + digit;
      bad |= digit > 2;
    }
    out[m] = static_cast<std::uint8_t>((256 * v + 242) / 243);
  }
  return bad;
}

static inline void unpack_part(const std::uint8_t* data, int bytes, int digits, std::int8_t* w) {
  for (int m = 0; m < bytes; ++m) {
    unsigned fraction = data[m];
    for (int n = 0; n < digits; ++n) {
      w[m + bytes * n] = static_cast<std::int8_t>((3 * fraction >> 8) - 1);
      fraction = 3 * fraction & 255;
    }
  }
}

// 256 weights to 52 code bytes and d; false where a weight is none of -1, 0, 1.
static inline bool pack_block(const std::int8_t* w, std::uint16_t d, std::uint8_t* out) {
  const unsigned bad = pack_part(w, 32, 5, out) | pack_part(w + 160, 16, 5, out + 32) |
                       pack_part(w + 240, 4, 4, out + 48);
  out[scale_at] = static_cast<std::uint8_t>(d);
  out[scale_at + 1] = static_cast<std::uint8_t>(d >> 8);
  return bad == 0;
}

static inline void unpack_block(const std::uint8_t* data, std::int8_t* w) {
  unpack_part(data, 32, 5, w);
  unpack_part(data + 32, 16, 5, w + 160);
  unpack_part(data + 48, 4, 4, w + 240);
}

}  // namespace bp::tq1_0
