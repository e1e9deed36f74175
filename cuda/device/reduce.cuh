// Sums and maxima over a warp and over a block.
#pragma once

#include "device/types.cuh"

constexpr u32 all_lanes = 0xffffffffu;

BP_DEVICE u32 warp_max(u32 value) {
#pragma unroll
  for (int bit = 16; bit > 0; bit /= 2) value = max(value, __shfl_xor_sync(all_lanes, value, bit));
  return value;
}

BP_DEVICE s32 warp_sum(s32 value) {
#pragma unroll
  for (int bit = 16; bit > 0; bit /= 2) value += __shfl_xor_sync(all_lanes, value, bit);
  return value;
}

// Pairs of lanes 16 apart, then 8, ... 1: every lane gets the same bits. Over `lanes` neighbours, a
// power of two.
template <int lanes = 32>
BP_DEVICE float lane_sum(float value) {
#pragma unroll
  for (int bit = lanes / 2; bit > 0; bit /= 2)
    value = __fadd_rn(value, __shfl_xor_sync(all_lanes, value, bit));
  return value;
}

BP_DEVICE float lane_max(float value) {
#pragma unroll
  for (int bit = 16; bit > 0; bit /= 2)
    value = fmaxf(value, __shfl_xor_sync(all_lanes, value, bit));
  return value;
}
