// Where the parts of a unit of attention stand. For ISA files and the driver: in an anonymous
// namespace, so no copy of it can leak to another ISA.
#pragma once

#include <cstdint>

#include "kernels/attention/attention.hpp"

namespace bp {
namespace {

inline std::int64_t attention_blocks(const attention_args& args) {
  return (args.longest + attention_block - 1) / attention_block;
}

// Heads of a KV head, and the same in whole vectors of any ISA.
inline std::int64_t group_of(const attention_args& args) {
  return args.heads / args.kv_heads;
}
inline std::int64_t group_lanes(const attention_args& args) {
  return (group_of(args) + 15) / 16 * 16;
}

// Blocks that token m sees.
inline std::int64_t blocks_seen(const attention_args& args, std::int64_t m) {
  return (args.length[m] + attention_block - 1) / attention_block;
}

struct attention_unit {
  std::int64_t m, h, first, count;  // token, KV head, first position, positions: none where <= 0
  float* e;                         // [group, attention_block]
  float* most;                      // [lanes]
  float* sum;                       // [lanes]
  float* values;                    // [group, head_dim]
};

// State of a unit: e, most, sum, values.
inline std::int64_t state_floats(const attention_args& args) {
  return group_of(args) * (attention_block + args.head_dim) + 2 * group_lanes(args);
}

// State of a tile of `tokens` tokens whose last one sees `blocks` blocks; a query is a head of a
// token.
struct tile_state {
  std::int64_t queries, blocks;
  float* rows;     // [attention_block, head_dim]: keys or values of a block
  float* q;        // [queries, head_dim]
  float* e;        // [queries, attention_block], of one block at a time
  float* values;   // [blocks, queries, head_dim]
  float* softmax;  // [blocks, tokens, 2, lanes]: most and sum
};

inline std::int64_t tile_floats(const attention_args& args, std::int64_t tokens,
                                std::int64_t blocks) {
  const std::int64_t queries = tokens * group_of(args), D = args.head_dim;
  return attention_block * D + queries * ((1 + blocks) * D + attention_block) +
         2 * blocks * tokens * group_lanes(args);
}

inline tile_state tile_of(const attention_args& args) {
  tile_state tile{};
  tile.queries = (args.end - args.begin) * group_of(args);
  tile.blocks = blocks_seen(args, args.end - 1);
  tile.rows = args.state;
  tile.q = tile.rows + attention_block * args.head_dim;
  tile.e = tile.q + tile.queries * args.head_dim;
  tile.values = tile.e + tile.queries * attention_block;
  tile.softmax = tile.values + tile.blocks * tile.queries * args.head_dim;
  return tile;
}

inline void place_in_tile(const attention_args& args, std::int64_t b, attention_unit& unit) {
  const tile_state tile = tile_of(args);
  const std::int64_t tokens = args.end - args.begin, own = unit.m - args.begin;
  const std::int64_t query = own * group_of(args);
  unit.e = tile.e + query * attention_block;
  unit.values = tile.values + (b * tile.queries + query) * args.head_dim;
  unit.most = tile.softmax + (b * tokens + own) * 2 * group_lanes(args);
  unit.sum = unit.most + group_lanes(args);
}

// Block b of token m and KV head h.
inline attention_unit unit_at(const attention_args& args, std::int64_t m, std::int64_t h,
                              std::int64_t b) {
  attention_unit unit{};
  unit.m = m;
  unit.h = h;
  unit.first = b * attention_block;
  const std::int64_t left = args.length[m] - unit.first;
  unit.count = left < attention_block ? left : attention_block;
  if (args.step == attention_step::tile) {
    place_in_tile(args, b, unit);
    return unit;
  }
  const std::int64_t item = m * args.kv_heads + h - args.first_item;
  unit.e = args.state + (item * attention_blocks(args) + b) * state_floats(args);
  unit.most = unit.e + group_of(args) * attention_block;
  unit.sum = unit.most + group_lanes(args);
  unit.values = unit.sum + group_lanes(args);
  return unit;
}

// Element offset of a position in the cache, and of the unit's first head in q and out.
inline std::int64_t cache_offset(const attention_args& args, const attention_unit& unit,
                                 std::int64_t t) {
  return unit.h * args.head_stride[unit.m] + (unit.first + t) * args.head_dim;
}
inline std::int64_t head_offset(const attention_args& args, const attention_unit& unit) {
  return (unit.m * args.heads + unit.h * group_of(args)) * args.head_dim;
}

// Step store: put(from, kv_dim, cache, element, head_dim) for each head.
template <auto put>
inline void store_tokens(const attention_args& args) {
  for (std::int64_t m = args.begin; m < args.end; ++m) {
    for (std::int64_t h = 0; h < args.kv_heads; ++h) {
      const std::int64_t from = (m * args.kv_heads + h) * args.kv_dim;
      const std::int64_t to = h * args.head_stride[m] + (args.length[m] - 1) * args.head_dim;
      put(args.k + from, args.kv_dim, const_cast<void*>(args.keys[m]), to, args.head_dim);
      put(args.v + from, args.kv_dim, const_cast<void*>(args.values[m]), to, args.head_dim);
    }
  }
}

// The step that `args` asks for, over its tile, items or units: those that see no position are left
// out. score(args, unit), sum(args, unit), merge(args, m, h).
template <auto score, auto sum, auto merge>
inline void run_step(const attention_args& args) {
  const std::int64_t blocks = attention_blocks(args), heads = args.kv_heads;
  for (std::int64_t i = args.begin; i < args.end; ++i) {
    if (args.step == attention_step::merge) {
      merge(args, i / heads, i % heads);
    } else if (args.step == attention_step::tile) {
      for (std::int64_t b = 0; b < blocks_seen(args, i); ++b) {
        score(args, unit_at(args, i, args.head, b));
        sum(args, unit_at(args, i, args.head, b));
      }
      merge(args, i, args.head);
    } else {
      const std::int64_t item = i / blocks;
      const attention_unit unit = unit_at(args, item / heads, item % heads, i % blocks);
      if (unit.count <= 0) continue;
      args.step == attention_step::scores ? score(args, unit) : sum(args, unit);
    }
  }
}

}  // namespace
}  // namespace bp
