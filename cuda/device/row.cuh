// Rows of activations between two products: what makes them, and their norm.
#pragma once

#include "device/activations.cuh"
#include "device/exp.cuh"

// A block of this many warps norms a row: so many loads are under way at once.
constexpr int norm_warps = 16;
constexpr int norm_threads = norm_warps * warp_lanes;

// 1 / sqrt(sum / K + eps) of the squares that every thread of a block summed.
BP_DEVICE float norm_factor(float sum, float eps, int K) {
  BP_SHARED(float, of_warps, norm_warps);
  sum = lane_sum(sum);
  if (threadIdx.x % warp_lanes == 0) of_warps[threadIdx.x / warp_lanes] = sum;
  __syncthreads();
  sum = of_warps[0];
#pragma unroll
  for (int i = 1; i < norm_warps; ++i) sum = __fadd_rn(sum, of_warps[i]);
  const float mean = __fdiv_rn(sum, __int2float_rn(K));
  return __fdiv_rn(1.0f, sqrtf(__fadd_rn(mean, eps)));
}

// Of a row that is there. `two`: whether an operation takes b; `kept`: whether its result takes the
// place of a.
struct itself {
  static constexpr bool two = false, kept = false;
  BP_DEVICE static float of(float x, float) { return x; }
};

// r r up, r = gate where it is positive, else 0: bit for bit the CPU's.
struct relu2_mul {
  static constexpr bool two = true, kept = false;
  BP_DEVICE static float of(float gate, float up) {
    const float r = gate > 0.0f ? gate : 0.0f;
    return __fmul_rn(__fmul_rn(r, r), up);
  }
};

// gate / (1 + exp(-gate)) up. Bound: |out - exact| <= 2^-21 |exact| + 2^-121 |up| + 2^-148.
struct silu_mul {
  static constexpr bool two = true, kept = false;
  BP_DEVICE static float of(float gate, float up) {
    return __fmul_rn(__fdiv_rn(gate, __fadd_rn(1.0f, exp_of(-gate))), up);
  }
};

// The residual connection, kept for the next one.
struct add {
  static constexpr bool two = true, kept = true;
  BP_DEVICE static float of(float x, float y) { return __fadd_rn(x, y); }
};
