// attention in plain C++, sums in float64, over any type of cache. For ISA files.
#pragma once

#include "formats/half.hpp"
#include "kernels/attention/unit.hpp"
#include "kernels/half.hpp"

namespace bp {
namespace {

struct f32_cache {
  static float at(const void* base, std::int64_t i) {
    float value;
    __builtin_memcpy(&value, static_cast<const std::uint8_t*>(base) + 4 * i, sizeof value);
    return value;
  }
  static void put(void* base, std::int64_t i, float value) {
    __builtin_memcpy(static_cast<std::uint8_t*>(base) + 4 * i, &value, sizeof value);
  }
};

struct f16_cache {
  static float at(const void* base, std::int64_t i) {
    return half_to_float(static_cast<const std::uint8_t*>(base) + 2 * i);
  }
  static void put(void* base, std::int64_t i, float value) {
    const std::uint16_t bits = float_to_half(value);
    __builtin_memcpy(static_cast<std::uint8_t*>(base) + 2 * i, &bits, sizeof bits);
  }
};

// p in [0, 1] to float16 and back: below 2^-14 it has steps of 2^-24, as float32 has from 0.5 on.
inline float round_probability(float p) {
  if (p < 0x1p-14f) return (p + 0.5f) - 0.5f;
  const auto bits = __builtin_bit_cast(std::uint32_t, p);
  return __builtin_bit_cast(float, (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu);
}

template <class Cache>
void score_unit(const attention_args& args, const attention_unit& unit) {
  const void* keys = args.keys[unit.m];
  for (std::int64_t i = 0; i < group_of(args); ++i) {
    const float* q = args.q + head_offset(args, unit) + i * args.head_dim;
    float* e = unit.e + i * attention_block;
    float most = -__FLT_MAX__;
    for (std::int64_t t = 0; t < unit.count; ++t) {
      const std::int64_t at = cache_offset(args, unit, t);
      double dot = 0;
      for (std::int64_t d = 0; d < args.head_dim; ++d)
        dot += static_cast<double>(q[d]) * Cache::at(keys, at + d);
      e[t] = static_cast<float>(dot) * args.scale;
      most = e[t] > most ? e[t] : most;
    }
    double sum = 0;
    for (std::int64_t t = 0; t < unit.count; ++t) {
      e[t] = __builtin_expf(e[t] - most);
      sum += e[t];
    }
    unit.most[i] = most;
    unit.sum[i] = static_cast<float>(sum);
  }
}

// The factor from e of a unit to p, for head i of the group: exp(most_b - most) / sum.
inline float block_factor(const attention_args& args, const attention_unit& unit, std::int64_t i) {
  const std::int64_t blocks = blocks_seen(args, unit.m);
  float most = -__FLT_MAX__;
  for (std::int64_t j = 0; j < blocks; ++j) {
    const float other = unit_at(args, unit.m, unit.h, j).most[i];
    most = other > most ? other : most;
  }
  double sum = 0;
  for (std::int64_t j = 0; j < blocks; ++j) {
    const attention_unit each = unit_at(args, unit.m, unit.h, j);
    sum += static_cast<double>(__builtin_expf(each.most[i] - most)) * each.sum[i];
  }
  return __builtin_expf(unit.most[i] - most) / static_cast<float>(sum);
}

template <class Cache>
void sum_unit(const attention_args& args, const attention_unit& unit) {
  const void* values = args.values[unit.m];
  for (std::int64_t i = 0; i < group_of(args); ++i) {
    float* e = unit.e + i * attention_block;
    if (args.round_p) {
      const float factor = block_factor(args, unit, i);
      for (std::int64_t t = 0; t < unit.count; ++t) e[t] = round_probability(e[t] * factor);
    }
    for (std::int64_t d = 0; d < args.head_dim; ++d) {
      double sum = 0;
      for (std::int64_t t = 0; t < unit.count; ++t)
        sum += static_cast<double>(e[t]) * Cache::at(values, cache_offset(args, unit, t) + d);
      unit.values[i * args.head_dim + d] = static_cast<float>(sum);
    }
  }
}

inline void merge_item(const attention_args& args, std::int64_t m, std::int64_t h) {
  float* out = args.out + head_offset(args, unit_at(args, m, h, 0));
  for (std::int64_t i = 0; i < group_of(args); ++i) {
    for (std::int64_t d = 0; d < args.head_dim; ++d) out[i * args.head_dim + d] = 0.0f;
    for (std::int64_t b = 0; b < blocks_seen(args, m); ++b) {
      const attention_unit unit = unit_at(args, m, h, b);
      const float factor = args.round_p ? 1.0f : block_factor(args, unit, i);
      for (std::int64_t d = i * args.head_dim; d < (i + 1) * args.head_dim; ++d)
        out[d] += factor * unit.values[d];
    }
  }
}

template <class Cache>
void put_head(const float* from, std::int64_t count, void* cache, std::int64_t at,
              std::int64_t head_dim) {
  for (std::int64_t d = 0; d < head_dim; ++d) Cache::put(cache, at + d, d < count ? from[d] : 0.0f);
}

template <class Cache>
void attention_scalar(const attention_args& args) {
  if (args.step == attention_step::store) return store_tokens<put_head<Cache>>(args);
  run_step<score_unit<Cache>, sum_unit<Cache>, merge_item>(args);
}

}  // namespace
}  // namespace bp
