// out[i] = f(a[i], b[i]) with the vectors of an x86 ISA. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/lanes.hpp"

namespace bp {
namespace {

// Values [begin, end); out may be a or b.
template <class F>
inline void elementwise(float* out, const float* a, const float* b, std::int64_t begin,
                        std::int64_t end, F f) {
  std::int64_t i = begin;
  for (; i + lane_count <= end; i += lane_count)
    store_lanes(out + i, f(load_lanes(a + i), load_lanes(b + i)));
  if (i == end) return;
  const std::int64_t rest = end - i;
  store_part(out + i, f(load_part(a + i, rest), load_part(b + i, rest)), rest);
}

}  // namespace
}  // namespace bp
