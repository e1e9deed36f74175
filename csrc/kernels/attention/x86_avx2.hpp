// attention with AVX2 and F16C, over any type of cache. For ISA files.
#pragma once

#include "kernels/attention/unit.hpp"
#include "kernels/x86_avx2_float.hpp"

namespace bp {
namespace {

struct f32_cache {
  using element = float;
  static __m256 load(const float* p) { return _mm256_loadu_ps(p); }
};

struct f16_cache {
  using element = std::uint16_t;
  static __m256 load(const std::uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
};

constexpr std::int64_t value_tile = 64;  // positions: 16 KiB of float16 values of 128 stay in L1

// The sums of four vectors:
//   hadd a b   a01 a23 b01 b23 | a45 a67 b45 b67      hadd c d   likewise
//   hadd       a03 b03 c03 d03 | a47 b47 c47 d47      low + high   a b c d
inline __m128 sum_four(const __m256* v) {
  const __m256 quarters = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  return _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps(quarters, 1));
}

// Scores of H heads, D values each, with four keys, into e[i * attention_block].
template <class Cache, int H>
inline void score_four(const float* q, const typename Cache::element* const* k, std::int64_t D,
                       float scale, float* e) {
  __m256 sums[H][4];
  for (auto& row : sums) {
    for (auto& sum : row) sum = _mm256_setzero_ps();
  }
#pragma GCC unroll 2
  for (std::int64_t d = 0; d < D; d += 8) {
    __m256 key[4];
    for (int j = 0; j < 4; ++j) key[j] = Cache::load(k[j] + d);
    for (int i = 0; i < H; ++i) {
      const __m256 query = _mm256_loadu_ps(q + i * D + d);
      for (int j = 0; j < 4; ++j) sums[i][j] = _mm256_fmadd_ps(query, key[j], sums[i][j]);
    }
  }
  for (int i = 0; i < H; ++i)
    _mm_storeu_ps(e + i * attention_block, _mm_mul_ps(sum_four(sums[i]), _mm_set1_ps(scale)));
}

// Scores of one head to e = exp(s - most), whose sum is returned: `padded` values, of which those
// from `count` on become 0.
inline float exponentials(float* e, std::int64_t count, float* most) {
  const std::int64_t padded = (count + 7) / 8 * 8;
  for (std::int64_t t = count; t < padded; ++t) e[t] = -__builtin_inff();
  __m256 largest = _mm256_loadu_ps(e);
  for (std::int64_t t = 8; t < padded; t += 8)
    largest = _mm256_max_ps(largest, _mm256_loadu_ps(e + t));
  *most = max_lanes(largest);
  const __m256 away = _mm256_set1_ps(*most);
  __m256 sum = _mm256_setzero_ps();
  for (std::int64_t t = 0; t < padded; t += 8) {
    const __m256 power = exp_lanes(_mm256_sub_ps(_mm256_loadu_ps(e + t), away));
    _mm256_storeu_ps(e + t, power);
    sum = _mm256_add_ps(sum, power);
  }
  return sum_lanes(sum);
}

template <class Cache>
void score_unit(const attention_args& args, const attention_unit& unit) {
  using element = typename Cache::element;
  const std::int64_t group = group_of(args), D = args.head_dim;
  const float* q = args.q + head_offset(args, unit);
  const auto* keys = static_cast<const element*>(args.keys[unit.m]) + cache_offset(args, unit, 0);
  for (std::int64_t t = 0; t < unit.count; t += 4) {
    const element* k[4];  // behind the last key, that key again
    for (std::int64_t j = 0; j < 4; ++j)
      k[j] = keys + (t + j < unit.count ? t + j : unit.count - 1) * D;
    std::int64_t i = 0;
    for (; i + 2 <= group; i += 2)
      score_four<Cache, 2>(q + i * D, k, D, args.scale, unit.e + i * attention_block + t);
    if (i < group)
      score_four<Cache, 1>(q + i * D, k, D, args.scale, unit.e + i * attention_block + t);
  }
  for (std::int64_t i = 0; i < group; ++i)
    unit.sum[i] = exponentials(unit.e + i * attention_block, unit.count, unit.most + i);
  for (std::int64_t i = group; i < group_lanes(args); ++i) unit.most[i] = unit.sum[i] = 0.0f;
}

// out[i, 0 .. 8V) += sum_t e[i, t] v[t, 0 .. 8V) of H heads, in order of t.
template <class Cache, int H, int V>
inline void sum_columns(const float* e, const typename Cache::element* v, std::int64_t count,
                        std::int64_t D, float* out) {
  __m256 sums[H][V];
  for (int i = 0; i < H; ++i) {
    for (int j = 0; j < V; ++j) sums[i][j] = _mm256_loadu_ps(out + i * D + 8 * j);
  }
#pragma GCC unroll 2
  for (std::int64_t t = 0; t < count; ++t, v += D) {
    __m256 value[V];
    for (int j = 0; j < V; ++j) value[j] = Cache::load(v + 8 * j);
    for (int i = 0; i < H; ++i) {
      const __m256 p = _mm256_broadcast_ss(e + i * attention_block + t);
      for (int j = 0; j < V; ++j) sums[i][j] = _mm256_fmadd_ps(p, value[j], sums[i][j]);
    }
  }
  for (int i = 0; i < H; ++i) {
    for (int j = 0; j < V; ++j) _mm256_storeu_ps(out + i * D + 8 * j, sums[i][j]);
  }
}

template <class Cache, int H>
inline void sum_heads(const float* e, const typename Cache::element* v, std::int64_t count,
                      std::int64_t D, float* out) {
  constexpr int V = H == 4 ? 3 : 8 / H;
  std::int64_t d = 0;
  for (; d + 8 * V <= D; d += 8 * V) sum_columns<Cache, H, V>(e, v + d, count, D, out + d);
  for (; d < D; d += 8) sum_columns<Cache, H, 1>(e, v + d, count, D, out + d);
}

// most and total = sum exp(s - most) over all blocks, of heads [lane, lane + 8) of an item.
struct softmax_lanes {
  __m256 most, total;
};

inline softmax_lanes softmax_of(const attention_args& args, std::int64_t item, std::int64_t lane) {
  const std::int64_t blocks = blocks_seen(args, item / args.kv_heads);
  softmax_lanes all{_mm256_loadu_ps(unit_at(args, item, 0).most + lane), _mm256_setzero_ps()};
  for (std::int64_t b = 1; b < blocks; ++b)
    all.most = _mm256_max_ps(all.most, _mm256_loadu_ps(unit_at(args, item, b).most + lane));
  for (std::int64_t b = 0; b < blocks; ++b) {
    const attention_unit unit = unit_at(args, item, b);
    const __m256 factor = exp_lanes(_mm256_sub_ps(_mm256_loadu_ps(unit.most + lane), all.most));
    all.total = _mm256_fmadd_ps(factor, _mm256_loadu_ps(unit.sum + lane), all.total);
  }
  return all;
}

// What turns e of the unit into p, for heads [lane, lane + 8).
inline void factors(const softmax_lanes& all, const attention_unit& unit, std::int64_t lane,
                    float* to) {
  const __m256 away = _mm256_sub_ps(_mm256_loadu_ps(unit.most + lane), all.most);
  _mm256_storeu_ps(to, _mm256_div_ps(exp_lanes(away), all.total));
}

inline void round_probabilities(const attention_args& args, const attention_unit& unit,
                                std::int64_t item) {
  float factor[8];
  for (std::int64_t i = 0; i < group_of(args); ++i) {
    if (i % 8 == 0) factors(softmax_of(args, item, i), unit, i, factor);
    const __m256 scale = _mm256_set1_ps(factor[i % 8]);
    for (std::int64_t t = 0; t < unit.count; t += 8) {
      float* e = unit.e + i * attention_block + t;
      const __m128i half =
          _mm256_cvtps_ph(_mm256_mul_ps(_mm256_loadu_ps(e), scale), _MM_FROUND_TO_NEAREST_INT);
      _mm256_storeu_ps(e, _mm256_cvtph_ps(half));
    }
  }
}

template <class Cache>
void sum_unit(const attention_args& args, const attention_unit& unit, std::int64_t item) {
  using element = typename Cache::element;
  const std::int64_t group = group_of(args), D = args.head_dim;
  if (args.round_p) round_probabilities(args, unit, item);
  for (std::int64_t d = 0; d < group * D; d += 8)
    _mm256_storeu_ps(unit.values + d, _mm256_setzero_ps());
  const auto* values =
      static_cast<const element*>(args.values[unit.m]) + cache_offset(args, unit, 0);
  for (std::int64_t t = 0; t < unit.count; t += value_tile) {
    const std::int64_t count = unit.count - t < value_tile ? unit.count - t : value_tile;
    const element* v = values + t * D;
    const float* e = unit.e + t;
    std::int64_t i = 0;
    for (; i + 4 <= group; i += 4)
      sum_heads<Cache, 4>(e + i * attention_block, v, count, D, unit.values + i * D);
    for (; i + 2 <= group; i += 2)
      sum_heads<Cache, 2>(e + i * attention_block, v, count, D, unit.values + i * D);
    if (i < group) sum_heads<Cache, 1>(e + i * attention_block, v, count, D, unit.values + i * D);
  }
}

// to += factor * from, or to = factor * from where it is the first.
inline void add_scaled(float* to, const float* from, float factor, std::int64_t D, bool first) {
  const __m256 scale = _mm256_set1_ps(factor);
  for (std::int64_t d = 0; d < D; d += 8) {
    const __m256 sum = first ? _mm256_setzero_ps() : _mm256_loadu_ps(to + d);
    _mm256_storeu_ps(to + d, _mm256_fmadd_ps(scale, _mm256_loadu_ps(from + d), sum));
  }
}

inline void merge_item(const attention_args& args, std::int64_t item) {
  const std::int64_t group = group_of(args), D = args.head_dim;
  const std::int64_t blocks = blocks_seen(args, item / args.kv_heads);
  float* out = args.out + head_offset(args, unit_at(args, item, 0));
  for (std::int64_t lane = 0; lane < group; lane += 8) {
    const softmax_lanes all = softmax_of(args, item, lane);
    for (std::int64_t b = 0; b < blocks; ++b) {
      const attention_unit unit = unit_at(args, item, b);
      float factor[8] = {1, 1, 1, 1, 1, 1, 1, 1};
      if (!args.round_p) factors(all, unit, lane, factor);
      for (std::int64_t i = lane; i < group && i < lane + 8; ++i)
        add_scaled(out + i * D, unit.values + i * D, factor[i - lane], D, b == 0);
    }
  }
}

template <class Cache>
void attention_avx2(const attention_args& args) {
  if (args.step == attention_step::merge) {
    for (std::int64_t item = args.begin; item < args.end; ++item) merge_item(args, item);
    return;
  }
  const std::int64_t blocks = attention_blocks(args);
  for (std::int64_t i = args.begin; i < args.end; ++i) {
    const attention_unit unit = unit_at(args, i / blocks, i % blocks);
    if (unit.count <= 0) continue;
    if (args.step == attention_step::scores) {
      score_unit<Cache>(args, unit);
    } else {
      sum_unit<Cache>(args, unit, i / blocks);
    }
  }
}

}  // namespace
}  // namespace bp
