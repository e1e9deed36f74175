// The layout frag16x32 of ternary weights.
//
// A tile of 16 rows and 32 columns is one word of each lane. Lane 4 g + t
// holds, at bit 8 b + 2 r, code w + 1 of row g + 8 (r & 1), column 16 (r >> 1) + 4 t + b:
//
//   bits  0-1        2-3          4-5             6-7             8-9 ...
//         (g, 4t)    (g+8, 4t)    (g, 16+4t)      (g+8, 16+4t)    (g, 4t+1) ...
//
// (word >> 2 r) & 0x03030303 is at once register r of A in mma.m16n8k32 and a factor of dp4a. Order
// [ceil(N / 16), ceil(K / 128), 32 lanes, 4 tiles]: 16 bytes of a lane are 128 columns. Codes
// beyond N and K are 1 (weight 0). y = sum(code x) - sum(x).
#pragma once

#include "device/ptx.cuh"

constexpr int warp_lanes = 32;
constexpr int step_columns = 128;  // that 16 bytes of each lane hold
constexpr u32 codes = 0x03030303u;

// Columns with those that pad the last step.
BP_DEVICE int padded(int K) {
  return (K + step_columns - 1) / step_columns * step_columns;
}

// The four registers of A in a word: rows g as they are, rows g + 8 times 4, without a shift of
// their own. |sum| <= 4 * 2 * 128 * K, so K <= 2^21 holds.
BP_DEVICE void spread(u32 word, u32 (&a)[4]) {
  a[0] = word & codes;
  a[1] = word & codes << 2;
  a[2] = word >> 4 & codes;
  a[3] = word >> 4 & codes << 2;
}
