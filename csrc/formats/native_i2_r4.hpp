// native_i2_r4: i2_s with four rows side by side, so that a kernel walking four rows reads one
// stream of 128 contiguous bytes a step. Made by prepare(); in no file; no scale inside.
//
//   byte(n, group, p) = (n / 4) * 4 * (K_padded / 4) + group * 128 + (n % 4) * 32 + p
//
//   | row n, group 0: 32 bytes | row n+1 | row n+2 | row n+3 | row n, group 1 | ...   (n % 4 == 0)
//
// The 32 bytes are those of i2_s. N is padded to a multiple of 4, K to one of 128, both with zero
// weights (code 1); rows beyond N exist in memory and may be read.
#pragma once

#include <cstdint>

#include "formats/i2_s.hpp"

namespace bp::native_i2_r4 {

inline constexpr int rows = 4;
inline constexpr int step_bytes = rows * i2_s::group_bytes;

static inline std::int64_t group_offset(std::int64_t K_padded, std::int64_t n, std::int64_t index) {
  return n / rows * K_padded + index * step_bytes + n % rows * i2_s::group_bytes;
}

}  // namespace bp::native_i2_r4
