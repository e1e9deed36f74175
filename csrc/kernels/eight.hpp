// Eight float32 at a time: what float kernels are written in that are the same for every ISA with
// such vectors. For ISA files, whose flags say which: everything is in an anonymous namespace, so
// no copy of it can leak to another ISA.
//
//   eight                             with + - * / lane by lane, each result rounded to float32
//   load_eight(p), store_eight(p, v)  no address is aligned
//   load_halves(p), load_brains(p)    eight float16, eight bfloat16, exact
//   all_eight(value)                  in every lane
//   fused(a, b, c)                    a * b + c, rounded once
//   larger(a, b), smaller(a, b)       NaN where b is; where only a is, a or b
//   whole(v)                          to whole numbers, halves to even
//   as_halves(v)                      to float16, half to even, and back
//   times_power(v, n)                 v * 2^n in two factors, n whole in -150 .. 128
//   sum_lanes(v)                      ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7))
//   max_lanes(v)                      no NaN among them
//   store_sums(p, v, scale)           p[j] = scale * (sum of the lanes of v[j]) for j < 4
#pragma once

#if defined(__AVX2__)
#include "kernels/x86_avx2_float.hpp"
#elif defined(__ARM_NEON)
#include "kernels/arm_neon_float.hpp"
#else
#error "kernels/eight.hpp is for files of an ISA that has eight float32"
#endif

namespace bp {
namespace {

// exp: 2^n exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2, exp(r) by the polynomial of Cephes'
// expf. Relative error below 2^-23.4 where exp(x) >= 2^-126, measured over every float32 of 2^-31
// and more; below, within 2^-149; infinity above 88.73, 0 below -104, NaN for NaN.
inline eight exp_lanes(eight x) {
  x = larger(all_eight(-104.0f), smaller(all_eight(89.0f), x));
  const eight n = whole(x * all_eight(0x1.715476p+0f));
  eight r = fused(n, all_eight(-0x1.62e4p-1f), x);  // ln 2 in two parts, the first
  r = fused(n, all_eight(-0x1.7f7d1cp-20f), r);     // of few bits: n * it is exact
  eight p = all_eight(1.9875691500e-4f);
  p = fused(p, r, all_eight(1.3981999507e-3f));
  p = fused(p, r, all_eight(8.3334519073e-3f));
  p = fused(p, r, all_eight(4.1665795894e-2f));
  p = fused(p, r, all_eight(1.6666665459e-1f));
  p = fused(p, r, all_eight(5.0000001201e-1f));
  p = fused(r * r, p, r) + all_eight(1.0f);
  return times_power(p, n);
}

}  // namespace
}  // namespace bp
