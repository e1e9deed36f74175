// NEON for both formats: eight values a step.
#pragma once

#include "kernels/arm_neon_float.hpp"
#include "kernels/ternarize/rows.hpp"

namespace bp {
namespace {

inline eight load_values(const float* x) {
  return load_eight(x);
}
inline eight load_values(const std::uint16_t* x) {
  return load_halves(x);
}

template <class T>
struct neon_ops {
  static row_statistics measure(const T* x, std::int64_t K) {
    float64x2_t sums[4];  // 0-1, 2-3, 4-5, 6-7
    float32x4_t largest[2];
    for (auto& sum : sums) sum = vdupq_n_f64(0);
    for (auto& most : largest) most = vdupq_n_f32(0);
    in_pieces<ternarize_lanes>(x, K, [&](const T* from, std::int64_t, std::int64_t) {
      const eight v = load_values(from);
      const float32x4_t found[2] = {vabsq_f32(v.low), vabsq_f32(v.high)};
      for (int half = 0; half < 2; ++half) {
        sums[2 * half] = vaddq_f64(sums[2 * half], vcvt_f64_f32(vget_low_f32(found[half])));
        sums[2 * half + 1] = vaddq_f64(sums[2 * half + 1], vcvt_high_f64_f32(found[half]));
        largest[half] = vbslq_f32(vcgtq_f32(found[half], largest[half]), found[half],
                                  largest[half]);  // NaN is above nothing
      }
    });
    double all[ternarize_lanes];
    float most[ternarize_lanes];
    for (int i = 0; i < 4; ++i) vst1q_f64(all + 2 * i, sums[i]);
    for (int i = 0; i < 2; ++i) vst1q_f32(most + 4 * i, largest[i]);
    return together(all, most);
  }

  static void codes(const T* x, std::int64_t K, float bound, std::int8_t* out) {
    const float32x4_t up = vdupq_n_f32(bound), down = vdupq_n_f32(-bound);
    const auto lanes = [&](float32x4_t v) {
      const float32x4_t twice = vaddq_f32(v, v);
      return vmovn_s32(vsubq_s32(vreinterpretq_s32_u32(vcltq_f32(twice, down)),
                                 vreinterpretq_s32_u32(vcgtq_f32(twice, up))));  // true is -1
    };
    in_pieces<ternarize_lanes>(x, K, [&](const T* from, std::int64_t k, std::int64_t count) {
      const eight v = load_values(from);
      const int8x8_t made = vmovn_s16(vcombine_s16(lanes(v.low), lanes(v.high)));
      if (count == ternarize_lanes) {
        vst1_s8(out + k, made);
      } else {
        std::int8_t all[ternarize_lanes];
        vst1_s8(all, made);
        std::memcpy(out + k, all, static_cast<std::size_t>(count));
      }
    });
  }
};

}  // namespace
}  // namespace bp
