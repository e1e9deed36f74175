// Eight float32 at a time: what float kernels are written in that are the same for every ISA with
// such vectors. For ISA files, whose flags say which: everything is in an anonymous namespace, so
// no copy of it can leak to another ISA.
//
//   eight                             with + - * / lane by lane, each result rounded to float32
//   load_eight(p), store_eight(p, v)  no address is aligned
//   load_halves(p), load_brains(p)    eight float16, eight bfloat16, exact
//   store_halves(p, v)                to float16, half to even
//   all_eight(value), all_like(v, x)  in every lane
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

#include "kernels/exp_lanes.hpp"
