// softmax over four float64 at a time, the same for every ISA with such vectors. For ISA files,
// whose flags say which: everything is in an anonymous namespace, so no copy of it can leak to
// another ISA.
//
//   four                         with + - * / lane by lane, each result rounded to float64
//   load_four(p)                 four float32, exact; no address is aligned
//   store_four(p, v)
//   all_four(value)              in every lane
//   fused(a, b, c)               a * b + c, rounded once
//   larger(a, b), smaller(a, b)  no NaN among them
//   power_of_two(v)              2^i, i the signed number in the low 12 bits of v
#pragma once

#include "kernels/softmax/softmax.hpp"

#if defined(__AVX2__)
#include "kernels/softmax/x86_avx2.hpp"
#elif defined(__ARM_NEON)
#include "kernels/softmax/arm_neon.hpp"
#else
#error "kernels/softmax/four.hpp is for files of an ISA that has four float64"
#endif

namespace bp {
namespace {

// exp of z in -inf .. 0: 2^n exp(r) with n = round(z / ln 2) and |r| <= ln 2 / 2, exp(r) as
// 1 + r + r^2 q(r), q interpolated at the Chebyshev nodes: relative error 2^-55.8. 0 below -746.
inline four exp_lanes(four z) {
  constexpr double q[] = {0x1.289185613a3d6p-22,
                          0x1.71de0dae63bb3p-19,
                          0x1.a019b90d2ae7ap-16,
                          0x1.a01a01a7c41d5p-13,
                          0x1.6c16c1788bd90p-10,
                          0x1.11111111109b3p-7,
                          0x1.5555555553d63p-5,
                          0x1.5555555555556p-3,
                          0x1.0000000000001p-1,
                          1.0,
                          1.0};
  // 2^n is subnormal from n = -1023 on: 2^(n + 64) it is, and 2^-64 at the end, so that the result
  // is rounded once. The shifted sum has ulp 1, so that its low bits are n + 64.
  constexpr double shift = 0x1.8p52 + 64;
  z = larger(z, all_four(-746.0));
  const four shifted = fused(z, all_four(0x1.71547652b82fep+0), all_four(shift));
  const four n = shifted - all_four(shift);
  four r = fused(n, all_four(-0x1.62e42fefa39efp-1), z);  // ln 2 in two parts
  r = fused(n, all_four(-0x1.abc9e3b39803fp-56), r);
  four p = all_four(0x1.af38a9b0ec855p-26);
  for (const double factor : q) p = fused(p, r, all_four(factor));
  return p * power_of_two(shifted) * all_four(0x1p-64);
}

inline four numerators(const softmax_args& args, const float* x) {
  const four z = (load_four(x) - all_four(args.largest)) / all_four(args.temperature);
  return exp_lanes(smaller(z, all_four(0.0)));
}

inline void add(softmax_sums& sums, double numerator) {
  sums.sum += numerator;
  if (numerator < sums.smallest) sums.smallest = numerator;
}

inline softmax_sums sums_of(four sum, four smallest) {
  double each[4];
  store_four(each, smallest);
  softmax_sums sums{0, each[0]};
  for (const double lane : each)
    if (lane < sums.smallest) sums.smallest = lane;
  store_four(each, sum);
  sums.sum = (each[0] + each[1]) + (each[2] + each[3]);
  return sums;
}

inline softmax_sums softmax_of_block(const softmax_args& args, std::int64_t begin,
                                     std::int64_t end) {
  four sum[2] = {all_four(0.0), all_four(0.0)}, smallest[2] = {all_four(1.0), all_four(1.0)};
  std::int64_t i = begin;
  for (; i + 8 <= end; i += 8) {
    for (int j = 0; j < 2; ++j) {
      const four made = numerators(args, args.x + i + 4 * j);
      store_four(args.out + i + 4 * j, made);
      sum[j] = sum[j] + made;
      smallest[j] = smaller(smallest[j], made);
    }
  }
  softmax_sums sums = sums_of(sum[0] + sum[1], smaller(smallest[0], smallest[1]));
  for (; i < end; i += 4) {
    float x[4] = {};
    double made[4];
    const std::int64_t rest = end - i < 4 ? end - i : 4;
    for (std::int64_t j = 0; j < rest; ++j) x[j] = args.x[i + j];
    store_four(made, numerators(args, x));
    for (std::int64_t j = 0; j < rest; ++j) {
      args.out[i + j] = made[j];
      add(sums, made[j]);
    }
  }
  return sums;
}

inline void softmax_of(const softmax_args& args) {
  for (std::int64_t b = args.begin; b < args.end; ++b) {
    const std::int64_t begin = b * softmax_block, end = begin + softmax_block;
    args.blocks[b] = softmax_of_block(args, begin, end < args.count ? end : args.count);
  }
}

}  // namespace
}  // namespace bp
