// attention with the vectors of the ISA, over any type of cache. For ISA files.
//
// What a query gives does not depend on the queries beside it: its scores are sums over vectors of
// head_dim, lane by lane, its values sums over positions in order.
#pragma once

#include "kernels/attention/unit.hpp"
#include "kernels/lanes.hpp"

namespace bp {
namespace {

struct f32_cache {
  using element = float;
  static constexpr bool far = true;  // so that what is read next is asked for
  static lanes load(const float* p) { return load_lanes(p); }
  static lanes load_keys(const float* const* rows, std::int64_t d) { return load_rows(rows, d); }
  static lanes load_eight_of(const float* p) { return load_first(p); }
  static void store(float* p, lanes v) { store_lanes(p, v); }
  static void store_eight_of(float* p, lanes v) { store_first(p, v); }
};

struct f16_cache {
  using element = std::uint16_t;
  static constexpr bool far = true;
  static lanes load(const std::uint16_t* p) { return load_half_lanes(p); }
  static lanes load_keys(const std::uint16_t* const* rows, std::int64_t d) {
    return load_half_rows(rows, d);
  }
  static lanes load_eight_of(const std::uint16_t* p) { return load_half_first(p); }
  static void store(std::uint16_t* p, lanes v) { store_half_lanes(p, v); }
  static void store_eight_of(std::uint16_t* p, lanes v) { store_half_first(p, v); }
};

constexpr std::int64_t value_tile = 64;  // positions: 16 KiB of float16 values of 128 stay in L1
constexpr int prefetch_ahead = 3072;     // bytes: past what the hardware prefetcher has asked for
constexpr int queries_at_once = lane_count == 16 ? 4 : 2;  // with four vectors of keys each
constexpr int keys_at_once = lane_count / 2;               // eight elements of each in a vector

template <class Cache>
void put_head(const float* from, std::int64_t count, void* cache, std::int64_t at,
              std::int64_t head_dim) {
  auto* to = static_cast<typename Cache::element*>(cache) + at;
  std::int64_t d = 0;
  for (; d + lane_count <= count; d += lane_count) Cache::store(to + d, load_lanes(from + d));
  for (; d < head_dim; d += 8) {
    float rest[8] = {};
    for (std::int64_t i = 0; i < 8 && d + i < count; ++i) rest[i] = from[d + i];
    Cache::store_eight_of(to + d, load_first(rest));
  }
}

// Keys in a cache: vector j holds elements d ... d + 7 of key j, and of key j + 4 where it is
// wider.
template <class Cache>
struct cache_keys {
  const typename Cache::element* rows[keys_at_once];
  lanes at(int j, std::int64_t d) const { return Cache::load_keys(rows + j, d); }
};

// Keys t ... of `count`; behind the last key, that key again.
template <class Cache>
inline cache_keys<Cache> keys_from(const typename Cache::element* keys, std::int64_t t,
                                   std::int64_t count, std::int64_t D) {
  cache_keys<Cache> found;
  for (std::int64_t j = 0; j < keys_at_once; ++j)
    found.rows[j] = keys + (t + j < count ? t + j : count - 1) * D;
  return found;
}

// Scores of Q queries of D values with keys_at_once keys, into e[i * attention_block].
template <int Q, class Keys>
inline void score_some(const float* q, const Keys& keys, std::int64_t D, float scale, float* e) {
  lanes sums[Q][4];
  for (auto& row : sums) {
    for (auto& sum : row) sum = all_lanes(0.0f);
  }
#pragma GCC unroll 2
  for (std::int64_t d = 0; d < D; d += 8) {
    lanes key[4];
    for (int j = 0; j < 4; ++j) key[j] = keys.at(j, d);
    for (int i = 0; i < Q; ++i) {
      const lanes query = load_twice(q + i * D + d);
      for (int j = 0; j < 4; ++j) sums[i][j] = fused(query, key[j], sums[i][j]);
    }
  }
  for (int i = 0; i < Q; ++i) store_sums(e + i * attention_block, sums[i], scale);
}

template <class Keys>
inline void score_queries(const float* q, std::int64_t queries, const Keys& keys, std::int64_t D,
                          float scale, float* e) {
  std::int64_t i = 0;
  for (; i + queries_at_once <= queries; i += queries_at_once)
    score_some<queries_at_once>(q + i * D, keys, D, scale, e + i * attention_block);
  for (; i < queries; ++i) score_some<1>(q + i * D, keys, D, scale, e + i * attention_block);
}

// Scores of one query to e = exp(s - most), whose sum is returned: whole vectors of values, of
// which those from `count` on become 0, and not by way of exp: what underflows costs a trap.
inline float exponentials(float* e, std::int64_t count, float* most) {
  const std::int64_t last = (count - 1) / lane_count * lane_count, left = count - last;
  const lanes ends = load_lanes(e + last);
  lanes largest = first_or(ends, left, -__builtin_inff());
  for (std::int64_t t = 0; t < last; t += lane_count) largest = larger(largest, load_lanes(e + t));
  *most = max_lanes(largest);
  const lanes away = all_lanes(*most);
  lanes sum = first_or(exp_lanes(first_or(ends, left, *most) - away), left, 0.0f);
  store_lanes(e + last, sum);
  for (std::int64_t t = 0; t < last; t += lane_count) {
    const lanes power = exp_lanes(load_lanes(e + t) - away);
    store_lanes(e + t, power);
    sum = sum + power;
  }
  return sum_lanes(sum);
}

inline void softmax_of_unit(const attention_args& args, const attention_unit& unit) {
  for (std::int64_t i = 0; i < group_of(args); ++i)
    unit.sum[i] = exponentials(unit.e + i * attention_block, unit.count, unit.most + i);
  for (std::int64_t i = group_of(args); i < group_lanes(args); ++i)
    unit.most[i] = unit.sum[i] = 0.0f;
}

template <class Cache>
void score_unit(const attention_args& args, const attention_unit& unit) {
  using element = typename Cache::element;
  const std::int64_t group = group_of(args), D = args.head_dim;
  const float* q = args.q + head_offset(args, unit);
  const auto* keys = static_cast<const element*>(args.keys[unit.m]) + cache_offset(args, unit, 0);
  for (std::int64_t t = 0; t < unit.count; t += keys_at_once) {
    const auto* ahead = reinterpret_cast<const std::uint8_t*>(keys + t * D) + prefetch_ahead;
    // The unit's values, which are read after all of its scores, come to L2 meanwhile.
    const auto* later = reinterpret_cast<const std::uint8_t*>(
        static_cast<const element*>(args.values[unit.m]) + cache_offset(args, unit, t));
    for (std::int64_t line = 0; line < keys_at_once * D * std::int64_t{sizeof(element)};
         line += 64) {
      __builtin_prefetch(ahead + line);
      __builtin_prefetch(later + line, 0, 2);
    }
    score_queries(q, group, keys_from<Cache>(keys, t, unit.count, D), D, args.scale, unit.e + t);
  }
  softmax_of_unit(args, unit);
}

// out[i, 0 .. V vectors), or 0 where not `add`, += sum_t e[i, t] v[t, 0 .. V vectors) of Q queries,
// in order of t. Asks for a line behind `ahead` with each t. eight: of vectors of eight values
// alone.
template <class Cache, int Q, int V, bool eight_alone = false>
inline void sum_columns(const float* e, const typename Cache::element* v, std::int64_t count,
                        std::int64_t D, float* out, bool add, const std::uint8_t* ahead) {
  lanes sums[Q][V];
  for (auto& row : sums) {
    for (auto& sum : row) sum = all_lanes(0.0f);
  }
  for (int i = 0; add && i < Q; ++i) {
    for (int j = 0; j < V; ++j) {
      const float* from = out + i * D + lane_count * j;
      sums[i][j] = eight_alone ? load_first(from) : load_lanes(from);
    }
  }
#pragma GCC unroll 2
  for (std::int64_t t = 0; t < count; ++t, v += D, ahead += 64) {
    if (Cache::far) __builtin_prefetch(ahead);
    lanes value[V];
    for (int j = 0; j < V; ++j) {
      const auto* from = v + lane_count * j;
      value[j] = eight_alone ? Cache::load_eight_of(from) : Cache::load(from);
    }
    for (int i = 0; i < Q; ++i) {
      const lanes p = all_lanes(e[i * attention_block + t]);
      for (int j = 0; j < V; ++j) sums[i][j] = fused(p, value[j], sums[i][j]);
    }
  }
  for (int i = 0; i < Q; ++i) {
    for (int j = 0; j < V; ++j) {
      float* to = out + i * D + lane_count * j;
      eight_alone ? store_first(to, sums[i][j]) : store_lanes(to, sums[i][j]);
    }
  }
}

// Positions 0 .. count - 1 of v, for Q queries.
template <class Cache, int Q>
inline void sum_values(const float* e, const typename Cache::element* v, std::int64_t count,
                       std::int64_t D, float* out, bool add) {
  constexpr int V = Q < 4 ? 8 / Q : lane_count == 16 ? 4 : 3;
  // The next tile, a part of it in each walk over this one.
  const auto* ahead = reinterpret_cast<const std::uint8_t*>(v + count * D);
  std::int64_t d = 0;
  for (; d + lane_count * V <= D; d += lane_count * V, ahead += 64 * count)
    sum_columns<Cache, Q, V>(e, v + d, count, D, out + d, add, ahead);
  for (; d + lane_count <= D; d += lane_count)
    sum_columns<Cache, Q, 1>(e, v + d, count, D, out + d, add, ahead);
  if (d < D) sum_columns<Cache, Q, 1, true>(e, v + d, count, D, out + d, add, ahead);
}

// The units of an item: its first one, and how far the next ones' parts are from those before.
struct item_units {
  attention_unit first;
  std::int64_t blocks, softmax_step, values_step;
  float* most(std::int64_t b) const { return first.most + b * softmax_step; }
  float* sum(std::int64_t b) const { return first.sum + b * softmax_step; }
};

inline item_units units_of(const attention_args& args, std::int64_t m, std::int64_t h) {
  const attention_unit first = unit_at(args, m, h, 0), next = unit_at(args, m, h, 1);
  return {first, blocks_seen(args, m), next.most - first.most, next.values - first.values};
}

// most and total = sum exp(s - most) over all blocks, of the heads from `lane` on of an item.
struct softmax_lanes {
  lanes most, total;
};

inline softmax_lanes softmax_of(const item_units& units, std::int64_t lane) {
  softmax_lanes all{load_lanes(units.most(0) + lane), all_lanes(0.0f)};
  for (std::int64_t b = 1; b < units.blocks; ++b)
    all.most = larger(all.most, load_lanes(units.most(b) + lane));
  for (std::int64_t b = 0; b < units.blocks; ++b) {
    const lanes factor = exp_lanes(load_lanes(units.most(b) + lane) - all.most);
    all.total = fused(factor, load_lanes(units.sum(b) + lane), all.total);
  }
  return all;
}

// What turns e of a unit into p, for the lanes of heads that `most` points to.
inline void factors(const softmax_lanes& all, const float* most, float* to) {
  store_lanes(to, exp_lanes(load_lanes(most) - all.most) / all.total);
}

inline void round_probabilities(const attention_args& args, const attention_unit& unit) {
  float factor[lane_count];
  for (std::int64_t i = 0; i < group_of(args); ++i) {
    if (i % lane_count == 0)
      factors(softmax_of(units_of(args, unit.m, unit.h), i), unit.most + i, factor);
    const lanes scale = all_lanes(factor[i % lane_count]);
    for (std::int64_t t = 0; t < unit.count; t += lane_count) {
      float* e = unit.e + i * attention_block + t;
      store_lanes(e, as_halves(load_lanes(e) * scale));
    }
  }
}

template <class Cache>
void sum_unit(const attention_args& args, const attention_unit& unit) {
  using element = typename Cache::element;
  const std::int64_t group = group_of(args), D = args.head_dim;
  if (args.round_p) round_probabilities(args, unit);
  const auto* values =
      static_cast<const element*>(args.values[unit.m]) + cache_offset(args, unit, 0);
  for (std::int64_t t = 0; t < unit.count; t += value_tile) {
    const std::int64_t count = unit.count - t < value_tile ? unit.count - t : value_tile;
    const element* v = values + t * D;
    const float* e = unit.e + t;
    std::int64_t i = 0;
    for (; i + 4 <= group; i += 4)
      sum_values<Cache, 4>(e + i * attention_block, v, count, D, unit.values + i * D, t > 0);
    for (; i + 2 <= group; i += 2)
      sum_values<Cache, 2>(e + i * attention_block, v, count, D, unit.values + i * D, t > 0);
    if (i < group)
      sum_values<Cache, 1>(e + i * attention_block, v, count, D, unit.values + i * D, t > 0);
  }
}

// out[d ...] = sum over blocks of factor * values, in order, of head i of the item; the factors
// stand where the units had what was most.
template <bool eight_alone>
inline void add_blocks(const item_units& units, std::int64_t i, const float* values, float* out) {
  lanes sum = all_lanes(0.0f);
  for (std::int64_t b = 0; b < units.blocks; ++b, values += units.values_step) {
    const lanes value = eight_alone ? load_first(values) : load_lanes(values);
    sum = fused(all_lanes(units.most(b)[i]), value, sum);
  }
  eight_alone ? store_first(out, sum) : store_lanes(out, sum);
}

inline void merge_item(const attention_args& args, std::int64_t m, std::int64_t h) {
  const std::int64_t group = group_of(args), D = args.head_dim;
  const item_units units = units_of(args, m, h);
  for (std::int64_t lane = 0; lane < group; lane += lane_count) {
    const softmax_lanes all = softmax_of(units, lane);
    for (std::int64_t b = 0; b < units.blocks; ++b) {
      float* const most = units.most(b) + lane;
      args.round_p ? store_lanes(most, all_lanes(1.0f)) : factors(all, most, most);
    }
  }
  const float* values = units.first.values;
  float* out = args.out + head_offset(args, units.first);
  for (std::int64_t i = 0; i < group; ++i, values += D, out += D) {
    std::int64_t d = 0;
    for (; d + lane_count <= D; d += lane_count) add_blocks<false>(units, i, values + d, out + d);
    if (d < D) add_blocks<true>(units, i, values + d, out + d);
  }
}

}  // namespace
}  // namespace bp
