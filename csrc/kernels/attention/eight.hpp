// attention eight values at a time, over any type of cache. For ISA files.
#pragma once

#include "kernels/attention/unit.hpp"
#include "kernels/eight.hpp"

namespace bp {
namespace {

struct f32_cache {
  using element = float;
  static eight load(const float* p) { return load_eight(p); }
};

struct f16_cache {
  using element = std::uint16_t;
  static eight load(const std::uint16_t* p) { return load_halves(p); }
};

constexpr std::int64_t value_tile = 64;  // positions: 16 KiB of float16 values of 128 stay in L1
constexpr int prefetch_ahead = 3072;     // bytes: past what the hardware prefetcher has asked for

// Scores of H heads, D values each, with four keys, into e[i * attention_block].
template <class Cache, int H>
inline void score_four(const float* q, const typename Cache::element* const* k, std::int64_t D,
                       float scale, float* e) {
  eight sums[H][4];
  for (auto& row : sums) {
    for (auto& sum : row) sum = all_eight(0.0f);
  }
#pragma GCC unroll 2
  for (std::int64_t d = 0; d < D; d += 8) {
    eight key[4];
    for (int j = 0; j < 4; ++j) key[j] = Cache::load(k[j] + d);
    for (int i = 0; i < H; ++i) {
      const eight query = load_eight(q + i * D + d);
      for (int j = 0; j < 4; ++j) sums[i][j] = fused(query, key[j], sums[i][j]);
    }
  }
  for (int i = 0; i < H; ++i) store_sums(e + i * attention_block, sums[i], scale);
}

// Scores of one head to e = exp(s - most), whose sum is returned: `padded` values, of which those
// from `count` on become 0.
inline float exponentials(float* e, std::int64_t count, float* most) {
  const std::int64_t padded = (count + 7) / 8 * 8;
  for (std::int64_t t = count; t < padded; ++t) e[t] = -__builtin_inff();
  eight largest = load_eight(e);
  for (std::int64_t t = 8; t < padded; t += 8) largest = larger(largest, load_eight(e + t));
  *most = max_lanes(largest);
  const eight away = all_eight(*most);
  eight sum = all_eight(0.0f);
  for (std::int64_t t = 0; t < padded; t += 8) {
    const eight power = exp_lanes(load_eight(e + t) - away);
    store_eight(e + t, power);
    sum = sum + power;
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
    const auto* ahead = reinterpret_cast<const std::uint8_t*>(k[0]) + prefetch_ahead;
    // The unit's values, which are read after all of its scores, come to L2 meanwhile.
    const auto* later = reinterpret_cast<const std::uint8_t*>(
        static_cast<const element*>(args.values[unit.m]) + cache_offset(args, unit, t));
    for (std::int64_t line = 0; line < 4 * D * std::int64_t{sizeof(element)}; line += 64) {
      __builtin_prefetch(ahead + line);
      __builtin_prefetch(later + line, 0, 2);
    }
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

// out[i, 0 .. 8V) += sum_t e[i, t] v[t, 0 .. 8V) of H heads, in order of t. Asks for a line behind
// `ahead` with each t.
template <class Cache, int H, int V>
inline void sum_columns(const float* e, const typename Cache::element* v, std::int64_t count,
                        std::int64_t D, float* out, const std::uint8_t* ahead) {
  eight sums[H][V];
  for (int i = 0; i < H; ++i) {
    for (int j = 0; j < V; ++j) sums[i][j] = load_eight(out + i * D + 8 * j);
  }
#pragma GCC unroll 2
  for (std::int64_t t = 0; t < count; ++t, v += D, ahead += 64) {
    __builtin_prefetch(ahead);
    eight value[V];
    for (int j = 0; j < V; ++j) value[j] = Cache::load(v + 8 * j);
    for (int i = 0; i < H; ++i) {
      const eight p = all_eight(e[i * attention_block + t]);
      for (int j = 0; j < V; ++j) sums[i][j] = fused(p, value[j], sums[i][j]);
    }
  }
  for (int i = 0; i < H; ++i) {
    for (int j = 0; j < V; ++j) store_eight(out + i * D + 8 * j, sums[i][j]);
  }
}

template <class Cache, int H>
inline void sum_heads(const float* e, const typename Cache::element* v, std::int64_t count,
                      std::int64_t D, float* out) {
  constexpr int V = H == 4 ? 3 : 8 / H;
  // The next tile, a part of it in each walk over this one.
  const auto* ahead = reinterpret_cast<const std::uint8_t*>(v + count * D);
  std::int64_t d = 0;
  for (; d + 8 * V <= D; d += 8 * V, ahead += 64 * count)
    sum_columns<Cache, H, V>(e, v + d, count, D, out + d, ahead);
  for (; d < D; d += 8) sum_columns<Cache, H, 1>(e, v + d, count, D, out + d, ahead);
}

// most and total = sum exp(s - most) over all blocks, of heads [lane, lane + 8) of an item.
struct softmax_lanes {
  eight most, total;
};

inline softmax_lanes softmax_of(const attention_args& args, std::int64_t item, std::int64_t lane) {
  const std::int64_t blocks = blocks_seen(args, item / args.kv_heads);
  softmax_lanes all{load_eight(unit_at(args, item, 0).most + lane), all_eight(0.0f)};
  for (std::int64_t b = 1; b < blocks; ++b)
    all.most = larger(all.most, load_eight(unit_at(args, item, b).most + lane));
  for (std::int64_t b = 0; b < blocks; ++b) {
    const attention_unit unit = unit_at(args, item, b);
    const eight factor = exp_lanes(load_eight(unit.most + lane) - all.most);
    all.total = fused(factor, load_eight(unit.sum + lane), all.total);
  }
  return all;
}

// What turns e of the unit into p, for heads [lane, lane + 8).
inline void factors(const softmax_lanes& all, const attention_unit& unit, std::int64_t lane,
                    float* to) {
  const eight away = load_eight(unit.most + lane) - all.most;
  store_eight(to, exp_lanes(away) / all.total);
}

inline void round_probabilities(const attention_args& args, const attention_unit& unit,
                                std::int64_t item) {
  float factor[8];
  for (std::int64_t i = 0; i < group_of(args); ++i) {
    if (i % 8 == 0) factors(softmax_of(args, item, i), unit, i, factor);
    const eight scale = all_eight(factor[i % 8]);
    for (std::int64_t t = 0; t < unit.count; t += 8) {
      float* e = unit.e + i * attention_block + t;
      store_eight(e, as_halves(load_eight(e) * scale));
    }
  }
}

template <class Cache>
void sum_unit(const attention_args& args, const attention_unit& unit, std::int64_t item) {
  using element = typename Cache::element;
  const std::int64_t group = group_of(args), D = args.head_dim;
  if (args.round_p) round_probabilities(args, unit, item);
  for (std::int64_t d = 0; d < group * D; d += 8) store_eight(unit.values + d, all_eight(0.0f));
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
  const eight scale = all_eight(factor);
  for (std::int64_t d = 0; d < D; d += 8) {
    const eight sum = first ? all_eight(0.0f) : load_eight(to + d);
    store_eight(to + d, fused(scale, load_eight(from + d), sum));
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
void attention_eight(const attention_args& args) {
  run_step<score_unit<Cache>, sum_unit<Cache>, merge_item>(args);
}

}  // namespace
}  // namespace bp
