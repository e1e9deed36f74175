// The nine encoders as the crates define them, one value at a time: `start` gives a block's scale
// and what the codes depend on, `code` the code of one value. All arithmetic is float32; f32::max
// of Rust ignores NaN, which `a > m ? a : m` does too. Sources: bitnet-quantization src/utils.rs,
// i2s.rs, tl1.rs, tl2.rs, device_aware_quantizer.rs, bitnet-kernels src/cpu/fallback.rs.
#pragma once

#include <cstdint>

namespace bp {
namespace {

constexpr float largest = __FLT_MAX__;
constexpr float infinity = __builtin_inff();
constexpr float huge_scale = 1e30f;   // larger scales are cut to this by quant_*
constexpr float tiny_scale = 1e-30f;  // smaller ones become 1

inline float magnitude(float x) {
  return __builtin_fabsf(x);
}

inline bool finite(float x) {
  return magnitude(x) <= largest;
}

// Largest magnitude of the block; NaN is ignored, infinity is not. 0 where all are NaN.
inline float absmax(const float* x, std::int64_t n) {
  float most = 0.0f;
  for (std::int64_t i = 0; i < n; ++i) {
    const float a = magnitude(x[i]);
    if (a > most) most = a;
  }
  return most;
}

inline float finite_absmax(const float* x, std::int64_t n) {
  float most = 0.0f;
  for (std::int64_t i = 0; i < n; ++i) {
    const float a = magnitude(x[i]);
    if (a > most && a <= largest) most = a;
  }
  return most;
}

// Scale of quant_* from the largest finite magnitude (calculate_scale with two bits).
inline float quant_scale(float most) {
  if (most < tiny_scale) return 1.0f;
  return most > huge_scale ? huge_scale : most;
}

// Codes 0..3 for -2..1: round half away from zero, clamped. Not finite: 2, which is 0.
struct quant_i2s {
  static constexpr bool merges = false, bytes = false;
  float s;

  static quant_i2s start(const float* x, std::int64_t n, float* scale) {
    *scale = quant_scale(finite_absmax(x, n));
    return {*scale};
  }
  unsigned code(float x) const {
    if (!finite(x)) return 2;
    const float r = x / s;
    return 2u + (r >= 0.5f) - (r <= -0.5f) - (r <= -1.5f);
  }
};

// The crate's table of 256 levels maps index 127 to 1, 128 to 2, 129 to 3 (0 and 255 beyond), and
// index 0, which NaN gets, to 0. |x / t| <= 1, so the index round(x / t + 128) is 127, 128 or 129.
// t = Inf (a block that holds Inf, or only NaN) makes every entry NaN, and so every code 2.
struct quant_tl1 {
  static constexpr bool merges = false, bytes = false;
  float t;

  static quant_tl1 start(const float* x, std::int64_t n, float* scale) {
    *scale = quant_scale(finite_absmax(x, n));
    bool all_nan = true;
    for (std::int64_t i = 0; i < n; ++i) all_nan &= x[i] != x[i];
    const float most = absmax(x, n);
    if (all_nan) return {infinity};
    return {most == 0.0f ? 1.0f : most};
  }
  unsigned code(float x) const {
    if (t == infinity) return 2;
    if (x != x) return 0;
    const float v = x / t + 128.0f;
    return 1u + (v >= 127.5f) + (v >= 128.5f);
  }
};

// Index round(x / s * 128 + 128), cut to 0..255, NaN to 0; table: 1 up to 64, 3 from 192 on.
struct quant_tl2 {
  static constexpr bool merges = false, bytes = false;
  float s;

  static quant_tl2 start(const float* x, std::int64_t n, float* scale) {
    *scale = quant_scale(finite_absmax(x, n));
    return {*scale};
  }
  unsigned code(float x) const {
    const float v = x / s * 128.0f + 128.0f;
    return 1u + (v >= 64.5f) + (v >= 191.5f);
  }
};

inline unsigned sign_code(float r) {
  return r > 0.5f ? 1 : r < -0.5f ? 3 : 0;
}

// Base of device_*: r = x / absmax, 0 where the scale is 0.
struct device_scale {
  float s;

  static float find(const float* x, std::int64_t n, float* scale) { return *scale = absmax(x, n); }
  float ratio(float x) const { return s > 0.0f ? x / s : 0.0f; }
  // Truncated code of a ratio clamped to -1 .. 1; NaN gives 0, as a Rust cast does.
  unsigned level(float x, float half_range) const {
    float r = ratio(x);
    if (r != r) return 0;
    r = r < -1.0f ? -1.0f : r > 1.0f ? 1.0f : r;
    return static_cast<unsigned>((r + 1.0f) * half_range);
  }
};

struct device_i2s : device_scale {
  static constexpr bool merges = false, bytes = false;

  static device_i2s start(const float* x, std::int64_t n, float* scale) {
    return {{find(x, n, scale)}};
  }
  unsigned code(float x) const { return sign_code(ratio(x)); }
};

struct device_tl1 : device_scale {
  static constexpr bool merges = false, bytes = true;

  static device_tl1 start(const float* x, std::int64_t n, float* scale) {
    return {{find(x, n, scale)}};
  }
  unsigned code(float x) const { return level(x, 7.5f); }
};

struct device_tl2 : device_scale {
  static constexpr bool merges = false, bytes = false;

  static device_tl2 start(const float* x, std::int64_t n, float* scale) {
    return {{find(x, n, scale)}};
  }
  unsigned code(float x) const { return level(x, 1.5f); }
};

// Scale of kernel_*; infinite where the block holds an infinity.
inline float kernel_scale(float most) {
  return most > 1e-8f ? most / 1.5f : 1.0f;
}

struct kernel_i2s {
  static constexpr bool merges = true, bytes = false;
  float s;

  static kernel_i2s start(const float* x, std::int64_t n, float* scale) {
    return {*scale = kernel_scale(absmax(x, n))};
  }
  unsigned code(float x) const { return sign_code(x / s); }
};

// Index of the table entry nearest to x / s: the first of equals; 0 where all distances are NaN.
inline unsigned nearest(float r, float a, float b, float c, float d) {
  const float table[4] = {a, b, c, d};
  unsigned best = 0;
  float distance = magnitude(r - a);
  for (unsigned i = 1; i < 4; ++i) {
    const float other = magnitude(r - table[i]);
    if (other < distance) {
      distance = other;
      best = i;
    }
  }
  return best;
}

struct kernel_tl1 {
  static constexpr bool merges = true, bytes = false;
  float s;

  static kernel_tl1 start(const float* x, std::int64_t n, float* scale) {
    return {*scale = kernel_scale(absmax(x, n))};
  }
  unsigned code(float x) const { return nearest(x / s, -1.0f, -0.33f, 0.33f, 1.0f); }
};

struct kernel_tl2 {
  static constexpr bool merges = true, bytes = false;
  float s;

  static kernel_tl2 start(const float* x, std::int64_t n, float* scale) {
    return {*scale = kernel_scale(absmax(x, n))};
  }
  unsigned code(float x) const { return nearest(x / s, -1.2f, -0.4f, 0.4f, 1.2f); }
};

}  // namespace
}  // namespace bp
