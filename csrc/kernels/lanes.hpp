// As many float32 at a time as the vectors of the ISA hold, a multiple of eight. For ISA files: in
// an anonymous namespace. Beside what kernels/eight.hpp tells of +, -, *, /, all_like, fused,
// larger, smaller, as_halves, sum_lanes, max_lanes and exp_lanes:
//
//   lanes, lane_count          the vector
//   load_lanes(p)              no address is aligned
//   load_half_lanes(p)         of float16, exact
//   load_twice(p)              eight from memory, in each eight lanes
//   load_rows(rows, d)         eight from rows[0] + d, behind them those from rows[4] + d
//   load_half_rows(rows, d)    likewise of float16, exact
//   load_first(p)              the first eight from memory, zeros behind them
//   load_half_first(p)         likewise of float16
//   store_lanes(p, v), store_first(p, v)
//   store_half_lanes(p, v), store_half_first(p, v)   rounded half to even
//   all_lanes(value)
//   first_or(v, count, value)  lanes [0, count) of v, `value` in the others
//   store_sums(p, v, scale)    p[j] = scale * (sum of lanes 0 ... 7 of v[j]) for j < 4
//                              and p[j + 4] likewise of lanes 8 ... 15
#pragma once

#if defined(__AVX512F__)
#include "kernels/x86_avx512_float.hpp"
#else
#include "kernels/eight.hpp"

namespace bp {
namespace {

using lanes = eight;
constexpr int lane_count = 8;

inline lanes load_lanes(const float* p) {
  return load_eight(p);
}
inline lanes load_half_lanes(const void* p) {
  return load_halves(p);
}
inline lanes load_twice(const float* p) {
  return load_eight(p);
}
inline lanes load_rows(const float* const* rows, std::int64_t d) {
  return load_eight(rows[0] + d);
}
inline lanes load_half_rows(const std::uint16_t* const* rows, std::int64_t d) {
  return load_halves(rows[0] + d);
}
inline lanes load_first(const float* p) {
  return load_eight(p);
}
inline lanes load_half_first(const void* p) {
  return load_halves(p);
}
inline void store_lanes(float* p, lanes v) {
  store_eight(p, v);
}
inline void store_first(float* p, lanes v) {
  store_eight(p, v);
}
inline void store_half_lanes(void* p, lanes v) {
  store_halves(p, v);
}
inline void store_half_first(void* p, lanes v) {
  store_halves(p, v);
}
inline lanes all_lanes(float value) {
  return all_eight(value);
}

}  // namespace
}  // namespace bp
#endif
