// exp in float32, the same bits on every device and on the CPU: that of csrc/kernels/exp_lanes.hpp.
#pragma once

#include "device/ptx.cuh"

// 2^n exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2, exp(r) by the polynomial of Cephes'
// expf. Relative error below 2^-23.4 where exp(x) >= 2^-126; below, within 2^-149; infinity above
// 88.73, 0 below -104, NaN for NaN, 1 for 0.
BP_DEVICE float exp_of(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  const float n = rintf(__fmul_rn(x, 0x1.715476p+0f));
  float r = fmaf(n, -0x1.62e4p-1f, x);  // ln 2 in two parts, the first
  r = fmaf(n, -0x1.7f7d1cp-20f, r);     // of few bits: n * it is exact
  float p = 1.9875691500e-4f;
  p = fmaf(p, r, 1.3981999507e-3f);
  p = fmaf(p, r, 8.3334519073e-3f);
  p = fmaf(p, r, 4.1665795894e-2f);
  p = fmaf(p, r, 1.6666665459e-1f);
  p = fmaf(p, r, 5.0000001201e-1f);
  p = __fadd_rn(fmaf(__fmul_rn(r, r), p, r), 1.0f);
  const s32 all = __float2int_rn(n), half_of_it = all >> 1;  // 2^n in two factors
  const float low = __int_as_float((half_of_it + 127) << 23);
  const float high = __int_as_float((all - half_of_it + 127) << 23);
  return __fmul_rn(__fmul_rn(p, low), high);
}
