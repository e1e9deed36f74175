// attention of a tile: tokens that see one cache, whose keys and values become float32 once for all
// of their queries. For ISA files.
#pragma once

#include "kernels/attention/lanes.hpp"

namespace bp {
namespace {

constexpr std::int64_t tile_rows = 32;  // of values: 16 KiB of float32 of 128 stay in L1

// What float_rows gives.
struct near_rows : f32_cache {
  static constexpr bool far = false;
};

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

// The first query from i on that sees position t of the block.
inline std::int64_t first_query(const attention_args& args, const tile_block& block, std::int64_t t,
                                std::int64_t i) {
  while (seen(args, block, i) <= t) i += group_of(args);
  return i;
}

// Values of `count` positions from t of the block on as float32: those of a float32 cache where
// they are, others in L1.
template <class Cache>
inline const float* float_rows(const attention_args& args, const tile_block& block,
                               const void* cache, std::int64_t t, std::int64_t count) {
  const attention_unit unit{args.begin, args.head, block.first, block.count, {}, {}, {}, {}};
  const auto* from =
      static_cast<const typename Cache::element*>(cache) + cache_offset(args, unit, t);
  if constexpr (sizeof(typename Cache::element) == sizeof(float)) {
    return from;
  } else {
    const std::int64_t all = count * args.head_dim;
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

// Keys that take_keys has put side by side.
struct near_keys {
  const float* vectors;  // [4, D / 8, lane_count]
  std::int64_t D;
  lanes at(int j, std::int64_t d) const {
    return load_lanes(vectors + (j * D + d) * (lane_count / 8));
  }
};

// Keys t ... of the block as float32, in L1.
template <class Cache>
inline near_keys take_keys(const attention_args& args, const tile_block& block, std::int64_t t) {
  const attention_unit unit{args.begin, args.head, block.first, block.count, {}, {}, {}, {}};
  const auto* keys = static_cast<const typename Cache::element*>(args.keys[args.begin]) +
                     cache_offset(args, unit, 0);
  const std::int64_t D = args.head_dim;
  const cache_keys<Cache> from = keys_from<Cache>(keys, t, block.count, D);
  float* to = block.state.rows;
  for (int j = 0; j < 4; ++j) {
    for (std::int64_t d = 0; d < D; d += 8, to += lane_count) store_lanes(to, from.at(j, d));
  }
  return {block.state.rows, D};
}

template <class Cache>
inline void score_tile(const attention_args& args, const tile_block& block) {
  const std::int64_t D = args.head_dim;
  std::int64_t i = 0;
  for (std::int64_t t = 0; t < block.count; t += keys_at_once) {
    const near_keys keys = take_keys<Cache>(args, block, t);
    i = first_query(args, block, t, i);
    score_queries(block.state.q + i * D, block.state.queries - i, keys, D, args.scale,
                  block.state.e + i * attention_block + t);
  }
}

// Positions t .. t + tile_rows - 1 with these values, of those that queries i .. i + Q - 1 see.
// Queries that see differently much of them go apart behind what all of them see.
template <int Q>
inline void sum_some(const attention_args& args, const tile_block& block, const float* values,
                     std::int64_t i, std::int64_t t) {
  const auto positions = [&](std::int64_t query) {
    const std::int64_t left = seen(args, block, query) - t;
    return left < 0 ? 0 : left < tile_rows ? left : tile_rows;
  };
  const std::int64_t D = args.head_dim, common = positions(i);
  const float* e = block.state.e + i * attention_block + t;
  float* out = block.values + i * D;
  if (common > 0) sum_values<near_rows, Q>(e, values, common, D, out, t > 0);
  if (Q == 1 || positions(i + Q - 1) == common) return;
  for (std::int64_t own = 0; own < Q; ++own) {
    const std::int64_t more = positions(i + own) - common;
    if (more > 0)
      sum_values<near_rows, 1>(e + own * attention_block + common, values + common * D, more, D,
                               out + own * D, t + common > 0);
  }
}

template <class Cache>
inline void sum_tile(const attention_args& args, const tile_block& block) {
  const std::int64_t queries = block.state.queries;
  std::int64_t first = 0;
  for (std::int64_t t = 0; t < block.count; t += tile_rows) {
    const std::int64_t count = block.count - t < tile_rows ? block.count - t : tile_rows;
    const float* values = float_rows<Cache>(args, block, args.values[args.begin], t, count);
    first = first_query(args, block, t, first);
    std::int64_t i = first;
    for (; i + 4 <= queries; i += 4) sum_some<4>(args, block, values, i, t);
    for (; i < queries; ++i) sum_some<1>(args, block, values, i, t);
  }
}

// Asks for where the results go, which have left the caches since they were last written.
inline void prefetch_results(const attention_args& args) {
  const attention_unit first{args.begin, args.head, 0, 0, {}, {}, {}, {}};
  float* out = args.out + head_offset(args, first);
  for (std::int64_t m = args.begin; m < args.end; ++m, out += args.heads * args.head_dim) {
    for (std::int64_t i = 0; i < group_of(args) * args.head_dim; i += 16)
      __builtin_prefetch(out + i, 1, 2);
  }
}

template <class Cache>
void attend_tile(const attention_args& args) {
  take_queries(args);
  for (std::int64_t b = 0; b < blocks_seen(args, args.end - 1); ++b) {
    const tile_block block = block_of(args, b);
    score_tile<Cache>(args, block);
    for (std::int64_t m = args.begin; m < args.end; ++m) {
      const attention_unit unit = unit_at(args, m, args.head, b);
      if (unit.count > 0) softmax_of_unit(args, unit);
    }
    if (b + 1 == block.state.blocks) prefetch_results(args);
    sum_tile<Cache>(args, block);
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
