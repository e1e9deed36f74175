// attention of a tile: tokens that see one cache, whose keys and values become float32 once for all
// of their queries. For ISA files.
#pragma once

#include "kernels/attention/lanes.hpp"

namespace bp {
namespace {

// The queries of a tile, one after the other: token begin + i / group, so that queries from any one
// on see no less of the cache than it does.
struct tile_block {
  std::int64_t first, count;  // positions, as many as the last token sees of them
  tile_state state;
  float* values;  // [queries, head_dim], sums over this block
};

inline tile_block block_of(const attention_args& args, std::int64_t b) {
  const attention_unit last = unit_at(args, args.end - 1, args.head, b);
  tile_block block{last.first, last.count, tile_of(args), nullptr};
  block.values = block.state.values + b * block.state.queries * args.head_dim;
  return block;
}

// Positions of the block that query i sees; none where <= 0.
inline std::int64_t seen(const attention_args& args, const tile_block& block, std::int64_t i) {
  const std::int64_t left = args.length[args.begin + i / group_of(args)] - block.first;
  return left < block.count ? left : block.count;
}

// The first query that sees position t of the block.
inline std::int64_t first_query(const attention_args& args, const tile_block& block,
                                std::int64_t t) {
  std::int64_t i = 0;
  while (seen(args, block, i) <= t) i += group_of(args);
  return i;
}

// Keys or values of the block as float32: those of a float32 cache where they are.
template <class Cache>
inline const float* float_rows(const attention_args& args, const tile_block& block,
                               const void* cache) {
  const attention_unit unit{args.begin, args.head, block.first, block.count, {}, {}, {}, {}};
  const auto* from =
      static_cast<const typename Cache::element*>(cache) + cache_offset(args, unit, 0);
  if constexpr (sizeof(typename Cache::element) == sizeof(float)) {
    return from;
  } else {
    const std::int64_t all = block.count * args.head_dim;
    std::int64_t i = 0;
    for (; i + lane_count <= all; i += lane_count)
      store_lanes(block.state.rows + i, Cache::load(from + i));
    if (i < all) store_first(block.state.rows + i, Cache::load_eight_of(from + i));
    return block.state.rows;
  }
}

inline void take_queries(const attention_args& args) {
  const std::int64_t width = group_of(args) * args.head_dim;
  const attention_unit first{args.begin, args.head, 0, 0, {}, {}, {}, {}};
  const float* from = args.q + head_offset(args, first);
  float* to = tile_of(args).q;
  for (std::int64_t m = args.begin; m < args.end; ++m, from += args.heads * args.head_dim) {
    for (std::int64_t i = 0; i < width; ++i) *to++ = from[i];
  }
}

inline void score_tile(const attention_args& args, const tile_block& block, const float* keys) {
  const std::int64_t D = args.head_dim;
  for (std::int64_t t = 0; t < block.count; t += 4) {
    const std::int64_t i = first_query(args, block, t);
    score_queries<f32_cache>(block.state.q + i * D, block.state.queries - i, keys, t, block.count,
                             D, args.scale, block.state.e + i * attention_block);
  }
}

// Positions t .. t + value_tile - 1, of those that query i sees. Queries that see differently much
// of them go apart behind what all of them see.
template <int Q>
inline void sum_some(const attention_args& args, const tile_block& block, const float* values,
                     std::int64_t i, std::int64_t t) {
  const auto positions = [&](std::int64_t query) {
    const std::int64_t left = seen(args, block, query) - t;
    return left < 0 ? 0 : left < value_tile ? left : value_tile;
  };
  const std::int64_t D = args.head_dim, common = positions(i);
  const float* e = block.state.e + i * attention_block + t;
  float* out = block.values + i * D;
  if (common > 0) sum_values<f32_cache, Q>(e, values + t * D, common, D, out);
  for (std::int64_t own = 0; own < Q; ++own) {
    const std::int64_t more = positions(i + own) - common;
    if (more > 0)
      sum_values<f32_cache, 1>(e + own * attention_block + common, values + (t + common) * D, more,
                               D, out + own * D);
  }
}

inline void sum_tile(const attention_args& args, const tile_block& block, const float* values) {
  const std::int64_t queries = block.state.queries;
  for (std::int64_t d = 0; d < queries * args.head_dim; ++d) block.values[d] = 0.0f;
  for (std::int64_t t = 0; t < block.count; t += value_tile) {
    std::int64_t i = first_query(args, block, t);
    for (; i + 4 <= queries; i += 4) sum_some<4>(args, block, values, i, t);
    for (; i < queries; ++i) sum_some<1>(args, block, values, i, t);
  }
}

template <class Cache>
void attend_tile(const attention_args& args) {
  take_queries(args);
  for (std::int64_t b = 0; b < blocks_seen(args, args.end - 1); ++b) {
    const tile_block block = block_of(args, b);
    score_tile(args, block, float_rows<Cache>(args, block, args.keys[args.begin]));
    for (std::int64_t m = args.begin; m < args.end; ++m) {
      const attention_unit unit = unit_at(args, m, args.head, b);
      if (unit.count > 0) softmax_of_unit(args, unit);
    }
    sum_tile(args, block, float_rows<Cache>(args, block, args.values[args.begin]));
  }
  for (std::int64_t m = args.begin; m < args.end; ++m) merge_item(args, m, args.head);
}

template <class Cache>
void attention_in_lanes(const attention_args& args) {
  if (args.step == attention_step::store) return store_tokens<put_head<Cache>>(args);
  if (args.step == attention_step::tile) return attend_tile<Cache>(args);
  run_step<score_unit<Cache>, sum_unit<Cache>, merge_item>(args);
}

}  // namespace
}  // namespace bp
