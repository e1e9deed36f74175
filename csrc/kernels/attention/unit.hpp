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

// Heads of a KV head, and the same in whole vectors.
inline std::int64_t group_of(const attention_args& args) {
  return args.heads / args.kv_heads;
}
inline std::int64_t group_lanes(const attention_args& args) {
  return (group_of(args) + 7) / 8 * 8;
}

inline std::int64_t state_floats(const attention_args& args) {
  return group_of(args) * (attention_block + args.head_dim) + 2 * group_lanes(args);
}

struct attention_unit {
  std::int64_t m, h, first, count;  // token, KV head, first position, positions: none where <= 0
  float* e;                         // [group, attention_block]
  float* most;                      // [lanes]
  float* sum;                       // [lanes]
  float* values;                    // [group, head_dim]
};

inline attention_unit unit_at(const attention_args& args, std::int64_t item, std::int64_t b) {
  attention_unit unit{};
  unit.m = item / args.kv_heads;
  unit.h = item % args.kv_heads;
  unit.first = b * attention_block;
  const std::int64_t left = args.length[unit.m] - unit.first;
  unit.count = left < attention_block ? left : attention_block;
  const std::int64_t at = (item - args.first_item) * attention_blocks(args) + b;
  unit.e = args.state + at * state_floats(args);
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

// Blocks that token m sees.
inline std::int64_t blocks_seen(const attention_args& args, std::int64_t m) {
  return (args.length[m] + attention_block - 1) / attention_block;
}

// The step that `args` asks for, over its items or units: those that see no position are left out.
template <auto score, auto sum, auto merge>
inline void run_step(const attention_args& args) {
  if (args.step == attention_step::merge) {
    for (std::int64_t item = args.begin; item < args.end; ++item) merge(args, item);
    return;
  }
  const std::int64_t blocks = attention_blocks(args);
  for (std::int64_t i = args.begin; i < args.end; ++i) {
    const attention_unit unit = unit_at(args, i / blocks, i % blocks);
    if (unit.count <= 0) continue;
    if (args.step == attention_step::scores) {
      score(args, unit);
    } else {
      sum(args, unit, i / blocks);
    }
  }
}

}  // namespace
}  // namespace bp
