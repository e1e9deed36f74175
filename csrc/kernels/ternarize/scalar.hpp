// The reference.
#pragma once

#include "formats/half.hpp"
#include "kernels/ternarize/rows.hpp"

namespace bp {
namespace {

inline float value(float x) {
  return x;
}
inline float value(std::uint16_t x) {
  return half_to_float(x);
}

template <class T>
struct scalar_ops {
  static row_statistics measure(const T* x, std::int64_t K) {
    double sums[ternarize_lanes] = {};
    float largest[ternarize_lanes] = {};
    for (std::int64_t k = 0; k < K; ++k) {
      const float found = std::fabs(value(x[k]));
      const std::int64_t lane = k % ternarize_lanes;
      sums[lane] += static_cast<double>(found);
      largest[lane] = found > largest[lane] ? found : largest[lane];
    }
    return together(sums, largest);
  }

  static void codes(const T* x, std::int64_t K, float bound, std::int8_t* out) {
    for (std::int64_t k = 0; k < K; ++k) {
      const float twice = 2 * value(x[k]);
      out[k] = static_cast<std::int8_t>((twice > bound) - (twice < -bound));
    }
  }
};

}  // namespace
}  // namespace bp
