// How codes follow from comparisons: for every ISA with vectors, and for each codec which blocks
// comparisons cover, the scale that they store, and where codes change.
//
// Why comparisons are exact. Every code is a step function of r = RN(x / s), RN rounding to the
// nearest float32, and steps up where r >= c for a few constants c. With p the float32 before c and
// mid = (p + c) / 2,
//     RN(x / s) >= c   where   x / s > mid   where   x > mid * s,
// because x / s is never mid itself: mid has 25 significant bits, so mid * s has at least 25 and is
// no float32. mid * s has at most 49 bits, so a double holds it exactly; the smallest float32 that
// is not below it is the threshold of x for the block. That x / s loses bits where it is
// subnormal does not matter, because no c is.
//
// For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/block_quantize/codecs.hpp"

namespace bp {
namespace {

// A rule: admits(most), whether the comparisons cover a block of that absmax; scale(most), what is
// stored; where there are thresholds, `mids` times unit(most).

// Above 1e30 the scale is cut, and codes down to -2 appear.
struct quant_i2s_rule {
  static bool admits(float most) { return most <= huge_scale; }
  static float scale(float most) { return quant_scale(most); }
};

// RN(r + 128) is at least 127.5 from r = -0x1.00008p-1 on, at least 128.5 from 0x1.fffep-2 on.
// Whatever is a number is at least code 1; NaN is code 0. An absmax of 0 may be that of NaN alone.
struct quant_tl1_rule {
  static constexpr double mids[2] = {-0x1.000081p-1, 0x1.fffdffp-2};
  static bool admits(float most) { return most > 0.0f && most <= largest; }
  static float scale(float most) { return quant_scale(most); }
  static float unit(float most) { return most; }
};

// RN(128 r + 128) is at least 64.5 from r = -0x1.fc0002p-2 on, at least 191.5 from 0x1.fbfffcp-2
// on. NaN is at least nothing: code 1.
struct quant_tl2_rule {
  static constexpr double mids[2] = {-0x1.fc0003p-2, 0x1.fbfffbp-2};
  static bool admits(float most) { return most <= largest; }
  static float scale(float most) { return quant_scale(most); }
  static float unit(float most) { return quant_scale(most); }
};

// device_i2s and kernel_i2s, as quant_i2s: +1, 0, -1 where r is above, between, below +-0.5. Floats
// next to s / 2 differ from it by more than 2^-25 s, so RN(x / s) > 0.5 where 2 x > s, and >= where
// 2 x >= s; 2 x is exact or infinite. All false for NaN, s = Inf (also for x = Inf) and s = 0.
struct device_i2s_rule {
  static bool admits(float) { return true; }
  static float scale(float most) { return most; }
};

struct kernel_i2s_rule {
  static bool admits(float) { return true; }
  static float scale(float most) { return kernel_scale(most); }
};

// device_tl1 and device_tl2 divide. |x / s| <= 1 for finite s > 0, so the clamp of the crate does
// nothing. A scale of 0 makes every code that of 0, of NaN too.
struct device_level_rule {
  static bool admits(float most) { return most > 0.0f && most <= largest; }
  static float scale(float most) { return most; }
};

// |r - table[i]| rounds; the nearest of -1, -0.33, 0.33, 1 changes at r = -0x1.547aep-1,
// 0x1p-26, 0x1.547ae2p-1. NaN is at least nothing: code 0.
struct kernel_tl1_rule {
  static constexpr double mids[3] = {-0x1.547ae1p-1, 0x1.ffffffp-27, 0x1.547ae1p-1};
  static bool admits(float most) { return most <= largest; }
  static float scale(float most) { return kernel_scale(most); }
  static float unit(float most) { return kernel_scale(most); }
};

// The nearest of -1.2, -0.4, 0.4, 1.2 changes at r = -0x1.99999ap-1, 0x1p-26, 0x1.99999cp-1.
struct kernel_tl2_rule {
  static constexpr double mids[3] = {-0x1.99999bp-1, 0x1.ffffffp-27, 0x1.99999bp-1};
  static bool admits(float most) { return most <= largest; }
  static float scale(float most) { return kernel_scale(most); }
  static float unit(float most) { return kernel_scale(most); }
};

}  // namespace
}  // namespace bp
