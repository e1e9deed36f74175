// exp of vectors of float32, for what kernels/eight.hpp and kernels/lanes.hpp call one. For ISA
// files: in an anonymous namespace.
#pragma once

namespace bp {
namespace {

// exp: 2^n exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2, exp(r) by the polynomial of Cephes'
// expf. Relative error below 2^-23.4 where exp(x) >= 2^-126, measured over every float32 of 2^-31
// and more; below, within 2^-149; infinity above 88.73, 0 below -104, NaN for NaN.
template <class Lanes>
inline Lanes exp_lanes(Lanes x) {
  x = larger(all_like(x, -104.0f), smaller(all_like(x, 89.0f), x));
  const Lanes n = whole(x * all_like(x, 0x1.715476p+0f));
  Lanes r = fused(n, all_like(x, -0x1.62e4p-1f), x);  // ln 2 in two parts, the first
  r = fused(n, all_like(x, -0x1.7f7d1cp-20f), r);     // of few bits: n * it is exact
  Lanes p = all_like(x, 1.9875691500e-4f);
  p = fused(p, r, all_like(x, 1.3981999507e-3f));
  p = fused(p, r, all_like(x, 8.3334519073e-3f));
  p = fused(p, r, all_like(x, 4.1665795894e-2f));
  p = fused(p, r, all_like(x, 1.6666665459e-1f));
  p = fused(p, r, all_like(x, 5.0000001201e-1f));
  p = fused(r * r, p, r) + all_like(x, 1.0f);
  return times_power(p, n);
}

}  // namespace
}  // namespace bp
