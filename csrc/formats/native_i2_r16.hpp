// native_i2_r16: i2_s with sixteen rows side by side, dword by dword, so that a 64-byte line holds
// the same columns of sixteen rows, one in each lane. Made by prepare(); in no file; no scale
// inside.
//
//   byte(n, group, p) = (n / 16) * 16 * (K_padded / 4) + group * 512 + (p / 4) * 64 + (n % 16) * 4
//                       + p % 4
//
//   | bytes 0 .. 3 of group 0 of row n | of row n+1 | .. | of row n+15 | bytes 4 .. 7 of row n | ..
//
// The 32 bytes of a group are those of i2_s. N is padded to a multiple of 16, K to one of 128, both
// with zero weights (code 1); rows beyond N exist in memory and may be read.
#pragma once

#include <cstdint>
#include <cstring>

#include "formats/i2_s.hpp"

namespace bp::native_i2_r16 {

inline constexpr int rows = 16;
inline constexpr int line = 4 * rows;
inline constexpr int step_bytes = rows * i2_s::group_bytes;

// Where the first dword of a group of row n stands; the other seven follow, a line apart.
static inline std::int64_t group_offset(std::int64_t K_padded, std::int64_t n, std::int64_t index) {
  return n / rows * rows * (K_padded / 4) + index * step_bytes + n % rows * 4;
}

// The 32 bytes of a group of i2_s to their place, and back.
static inline void put_group(const std::uint8_t* from, std::uint8_t* first) {
  for (int p = 0; p < i2_s::group_bytes; p += 4) std::memcpy(first + p / 4 * line, from + p, 4);
}
static inline void take_group(const std::uint8_t* first, std::uint8_t* to) {
  for (int p = 0; p < i2_s::group_bytes; p += 4) std::memcpy(to + p, first + p / 4 * line, 4);
}

}  // namespace bp::native_i2_r16
