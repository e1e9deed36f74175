// What the variants share: rows, the order in which sums meet, and the last columns of a row.
// For ISA files: everything is in an anonymous namespace.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/ternarize/ternarize.hpp"

namespace bp {
namespace {

constexpr std::int64_t ternarize_lanes = 8;

// The eight sums and maxima of a row put together.
inline row_statistics together(const double* sums, const float* largest) {
  row_statistics row{0, 0};
  for (std::int64_t lane = 0; lane < ternarize_lanes; ++lane) {
    row.sum += sums[lane];
    std::uint32_t bits;
    std::memcpy(&bits, largest + lane, sizeof bits);
    row.largest = bits > row.largest ? bits : row.largest;
  }
  if (std::isnan(row.sum)) row.largest = 0x7f800000;  // maxima pass over NaN, sums do not
  return row;
}

// ops<T>::measure(x, K) and ops<T>::codes(x, K, bound, codes) for every row of T.
template <template <class> class ops, class T>
void ternarize_rows(const ternarize_args& args) {
  const auto* x = static_cast<const T*>(args.x);
  for (std::int64_t row = 0; row < args.rows; ++row, x += args.K) {
    if (args.step == ternarize_step::measure) {
      args.statistics[row] = ops<T>::measure(x, args.K);
    } else {
      ops<T>::codes(x, args.K, args.bound, args.codes + row * args.K);
    }
  }
}

// f(k) for every `width` columns, and for the rest on a copy with zeros behind it: f(from, count).
template <std::int64_t width, class T, class F>
void in_pieces(const T* x, std::int64_t K, F&& f) {
  std::int64_t k = 0;
  for (; k + width <= K; k += width) f(x + k, k, width);
  if (k == K) return;
  T rest[width] = {};
  std::memcpy(rest, x + k, static_cast<std::size_t>(K - k) * sizeof(T));
  f(rest, k, K - k);
}

}  // namespace
}  // namespace bp
