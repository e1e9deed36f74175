// rope with the vectors of the ISA. For ISA files.
#pragma once

#include "kernels/lanes.hpp"
#include "kernels/rope/rope.hpp"

namespace bp {
namespace {

// One pair: the same roundings as many at a time.
inline void turn(float* a, float* b, float c, float s) {
  const float x = *a, y = *b;
  *a = x * c - y * s;
  *b = x * s + y * c;
}

// Pairs (i, i + half).
inline void turn_halves(float* x, const float* cos, const float* sin, std::int64_t half) {
  std::int64_t i = 0;
  for (; i + lane_count <= half; i += lane_count) {
    const lanes c = load_lanes(cos + i), s = load_lanes(sin + i);
    const lanes a = load_lanes(x + i), b = load_lanes(x + half + i);
    store_lanes(x + i, a * c - b * s);
    store_lanes(x + half + i, a * s + b * c);
  }
  for (; i < half; ++i) turn(x + i, x + half + i, cos[i], sin[i]);
}

// turn_neighbours is turn_halves of pairs (2i, 2i + 1), which each ISA brings together its own way.
template <auto turn_neighbours>
inline void rope_in_lanes(const rope_args& args) {
  const std::int64_t half = args.rope_dim / 2;
  auto* const turn_all = args.interleaved ? turn_neighbours : &turn_halves;
  for (std::int64_t m = args.row_begin; m < args.row_end; ++m) {
    for (std::int64_t h = 0; h < args.heads; ++h) {
      float* x = args.x + m * args.row_stride + h * args.head_dim;
      turn_all(x, args.cos + m * half, args.sin + m * half, half);
    }
  }
}

}  // namespace
}  // namespace bp
