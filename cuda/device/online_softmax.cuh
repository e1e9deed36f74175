// Softmax of scores that come a few at a time, and of the values that they weigh.
#pragma once

#include "device/activations.cuh"
#include "device/exp.cuh"

constexpr int at_once = 4;  // positions of a group of lanes whose keys and values are under way
constexpr float least_float = -3.402823466e+38f;

BP_DEVICE void eight_floats(const uint4& v, float (&x)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) x[i] = to_float(value_at<half>(v, i));
}

// Heads of a group of lanes so far: the largest score, the sum of e = exp(score - largest), and of
// e times the values.
template <int G>
struct online_softmax {
  float most[G], sum[G], values[G][8];

  BP_DEVICE online_softmax() {
#pragma unroll
    for (int g = 0; g < G; ++g) {
      most[g] = least_float;
      sum[g] = 0;
#pragma unroll
      for (int i = 0; i < 8; ++i) values[g][i] = 0;
    }
  }

  // Positions of which the first `count` are there, in their order.
  template <int lanes>
  BP_DEVICE void add(const float (&q)[G][8], const uint4* keys, const uint4* rows, int count,
                     float scale) {
    float e[G][at_once];
#pragma unroll
    for (int u = 0; u < at_once; ++u) {
      float key[8];
      eight_floats(keys[u], key);
#pragma unroll
      for (int g = 0; g < G; ++g) {
        float dot = 0;
#pragma unroll
        for (int i = 0; i < 8; ++i) dot = fmaf(q[g][i], key[i], dot);
        e[g][u] = __fmul_rn(lane_sum<lanes>(dot), scale);
      }
    }
#pragma unroll
    for (int g = 0; g < G; ++g) {
      float now = most[g];
#pragma unroll
      for (int u = 0; u < at_once; ++u)
        if (u < count) now = fmaxf(now, e[g][u]);
      const float factor = exp_of(__fadd_rn(most[g], -now));  // 1 where nothing is larger
      most[g] = now;
      sum[g] = __fmul_rn(sum[g], factor);
#pragma unroll
      for (int i = 0; i < 8; ++i) values[g][i] = __fmul_rn(values[g][i], factor);
#pragma unroll
      for (int u = 0; u < at_once; ++u) {
        e[g][u] = u < count ? exp_of(__fadd_rn(e[g][u], -now)) : 0.0f;
        sum[g] = __fadd_rn(sum[g], e[g][u]);
      }
    }
#pragma unroll
    for (int u = 0; u < at_once; ++u) {
      float row[8];
      eight_floats(rows[u], row);
#pragma unroll
      for (int g = 0; g < G; ++g) {
#pragma unroll
        for (int i = 0; i < 8; ++i) values[g][i] = fmaf(e[g][u], row[i], values[g][i]);
      }
    }
  }
};
