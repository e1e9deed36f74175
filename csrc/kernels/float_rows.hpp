// What the drivers of the float families share: one span, and rows or values split over threads.
#pragma once

#include <cstdint>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

inline constexpr std::int64_t values_before_threads = 1 << 15;  // below, waking a team costs more

// Rows [row_begin, row_end) of [0, M), each of `values` values.
template <class Args>
void run_float_rows(const kernel_row& kernel, const Args& args, std::int64_t values, int threads) {
  auto* const fn = kernel_cast<Args>(kernel);
  if (args.M * values < values_before_threads) threads = 1;
  for_rows(threads, args.M, 1, [&](std::int64_t begin, std::int64_t end) {
    Args part = args;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
  });
}

// Values [begin, end) of [0, count), in whole cache lines.
template <class Args>
void run_elementwise(const kernel_row& kernel, const Args& args, int threads) {
  constexpr std::int64_t line = 16;
  auto* const fn = kernel_cast<Args>(kernel);
  if (args.count < values_before_threads) threads = 1;
  for_rows(threads, args.count, line, [&](std::int64_t begin, std::int64_t end) {
    Args part = args;
    part.begin = begin;
    part.end = end;
    fn(part);
  });
}

}  // namespace bp
