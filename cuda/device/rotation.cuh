// Rotary position embedding.
#pragma once

#include "device/activations.cuh"

BP_DEVICE void store_four(float* to, float a, float b, float c, float d) {
  store_16(to, float_words(a, b, c, d));
}

BP_DEVICE void store_four(half* to, float a, float b, float c, float d) {
  const half made[4] = {from_float<half>(a), from_float<half>(b), from_float<half>(c),
                        from_float<half>(d)};
  store_8(to, {word_of_values(made, 0), word_of_values(made, 1)});
}

// a' = a cos - b sin, b' = a sin + b cos of pairs i ... i + 3 of a head: (i, i + pairs) or,
// `neighbours`, (2 i, 2 i + 1); bit for bit the CPU's. Heads are aligned to four values; `whole`:
// pairs are a multiple of four.
template <bool neighbours>
struct four_pairs {
  float a[4], b[4];
  int i, pairs;
  bool whole;

  BP_DEVICE four_pairs(int first, int of_head)
      : i(first), pairs(of_head), whole(of_head % 4 == 0) {}

  // What stands in the head, rotated. cos and sin: of its token.
  BP_DEVICE void load(const float* head, const float* cos, const float* sin) {
    float c[4], s[4], low[4], high[4];
    load_values(cos, i, pairs, whole, c);
    load_values(sin, i, pairs, whole, s);
    const int left = pairs - i, of_first = neighbours ? 2 * left : left;
    load_values(head + first(), 0, of_first, whole, low);
    load_values(head + second(), 0, neighbours ? of_first - 4 : left, whole, high);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      a[j] = !neighbours ? low[j] : j < 2 ? low[2 * j % 4] : high[2 * j % 4];
      b[j] = !neighbours ? high[j] : j < 2 ? low[2 * j % 4 + 1] : high[2 * j % 4 + 1];
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float turned = __fadd_rn(__fmul_rn(a[j], c[j]), -__fmul_rn(b[j], s[j]));
      b[j] = __fadd_rn(__fmul_rn(a[j], s[j]), __fmul_rn(b[j], c[j]));
      a[j] = turned;
    }
  }

  template <class Y>
  BP_DEVICE void store(Y* head) const {
    if (whole && neighbours) {
      store_four(head + first(), a[0], b[0], a[1], b[1]);
      store_four(head + second(), a[2], b[2], a[3], b[3]);
    } else if (whole) {
      store_four(head + first(), a[0], a[1], a[2], a[3]);
      store_four(head + second(), b[0], b[1], b[2], b[3]);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (i + j >= pairs) break;
        head[neighbours ? 2 * (i + j) : i + j] = from_float<Y>(a[j]);
        head[neighbours ? 2 * (i + j) + 1 : i + j + pairs] = from_float<Y>(b[j]);
      }
    }
  }

  // Where the first and the second four values stand in a head.
  BP_DEVICE int first() const { return neighbours ? 2 * i : i; }
  BP_DEVICE int second() const { return neighbours ? 2 * i + 4 : i + pairs; }
};
