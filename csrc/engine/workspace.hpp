// Memory of a forward pass, sized for the widest batch so far.
#pragma once

#include <cstdint>
#include <vector>

#include "core/memory.hpp"
#include "engine/config.hpp"

namespace bp {

// Tokens that run through a layer together; longer batches are cut. Activations of as many stay in
// the cache while a panel of weights is used.
inline constexpr std::int64_t most_batch_tokens = 256;

class workspace {
 public:
  // At least `tokens` rows in every array below.
  void reserve(const model_config& config, std::int64_t tokens);

  float *x = nullptr, *normed = nullptr;    // [tokens, width]
  float *q = nullptr, *attended = nullptr;  // [tokens, heads, head_dim]
  // The same with padded heads, where those are wider.
  float *wide_q = nullptr, *wide_out = nullptr;
  float *k = nullptr, *v = nullptr;         // [tokens, kv_heads, head_dim]
  float *gate = nullptr, *up = nullptr;     // [tokens, ffn]
  float *cos = nullptr, *sin = nullptr;     // [tokens, rope_dim / 2]
  std::int8_t* act = nullptr;               // [tokens, widest input of a product]
  float* act_scale = nullptr;               // [tokens] or [tokens, blocks of 256]
  std::int32_t* act_sum = nullptr;          // likewise
  std::vector<std::int32_t> ids, sequence;  // [tokens]
  std::vector<std::int64_t> length;         // [tokens]: its position + 1
  std::vector<const void*> keys, values;    // [tokens], of KV head 0
  std::vector<std::int64_t> head_stride;    // [tokens], elements from one KV head to the next

 private:
  std::int64_t tokens_ = 0;
  buffer memory_;
};

}  // namespace bp
