// argmax over eight float32 at a time. For ISA files: everything is in an anonymous namespace.
#pragma once

#include "kernels/argmax/argmax.hpp"
#include "kernels/eight.hpp"

namespace bp {
namespace {

constexpr std::int64_t argmax_block = 1024;  // values whose largest is looked at once

struct largest_values {
  eight largest[4];
  eight nothing[4];  // sums of 0 * x: NaN where one x is no number
};

inline void look(largest_values& seen, int i, eight x) {
  seen.largest[i] = larger(seen.largest[i], x);
  seen.nothing[i] = fused(x, all_eight(0.0f), seen.nothing[i]);
}

// The largest of `count` values; NaN where one is NaN or infinite.
inline float largest_of(const float* x, std::int64_t count) {
  largest_values seen;
  for (int i = 0; i < 4; ++i) {
    seen.largest[i] = all_eight(-__builtin_inff());
    seen.nothing[i] = all_eight(0.0f);
  }
  std::int64_t k = 0;
  for (; k + 32 <= count; k += 32) {
    for (int i = 0; i < 4; ++i) look(seen, i, load_eight(x + k + 8 * i));
  }
  for (; k + 8 <= count; k += 8) look(seen, 0, load_eight(x + k));
  float most = max_lanes(
      larger(larger(seen.largest[0], seen.largest[1]), larger(seen.largest[2], seen.largest[3])));
  float nothing =
      sum_lanes((seen.nothing[0] + seen.nothing[1]) + (seen.nothing[2] + seen.nothing[3]));
  for (; k < count; ++k) {
    most = x[k] > most ? x[k] : most;
    nothing += 0.0f * x[k];
  }
  return most + nothing;
}

inline std::int64_t first_bad(const float* x, std::int64_t from) {
  while (__builtin_isfinite(x[from])) ++from;
  return from;
}

inline void argmax_of(const argmax_args& args) {
  float most = -__builtin_inff();
  std::int64_t at = args.begin;
  for (std::int64_t begin = args.begin; begin < args.end; begin += argmax_block) {
    const std::int64_t rest = args.end - begin;
    const float found = largest_of(args.x + begin, rest < argmax_block ? rest : argmax_block);
    if (found != found) {
      *args.found = {begin, first_bad(args.x, begin)};
      return;
    }
    if (found > most) {
      most = found;
      at = begin;
    }
  }
  while (args.x[at] != most) ++at;
  *args.found = {at, -1};
}

}  // namespace
}  // namespace bp
