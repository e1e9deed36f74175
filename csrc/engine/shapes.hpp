// Sizes of the architectures that synthetic models have: the one list.
#pragma once

#include <cstdint>
#include <span>

namespace bp {

struct model_shape {
  const char* name;
  std::int64_t layers, width, ffn, heads, kv_heads, vocab, context;
  double rope_base;
  const char* like;
};

inline constexpr model_shape model_shapes[] = {
#define BP_MODEL(...) {__VA_ARGS__},
#include "engine/shapes.inc"
#undef BP_MODEL
};

}  // namespace bp
