// attention: softmax(scale q k) v of one token per row, over a cache of keys and values in which
// several heads share one KV head.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Positions are cut into blocks of this many, whatever the length and the number of threads: a
// unit, block b of item m * kv_heads + h, is done alone, and the units of an item are put together
// in order. So the result of an item depends on nothing but its own inputs.
inline constexpr std::int64_t attention_block = 128;

enum class attention_step {
  store,   // of tokens [begin, end): k and v to position length - 1 of the cache, half to even
  scores,  // of units [begin, end): e = exp(s - most), s = scale q k, most and sum of the block
  values,  // of units [begin, end): sum of e v, or of the rounded p v where round_p
  merge,   // of items [begin, end): out from the sums of their units
  tile,    // of tokens [begin, end) and KV head `head`: all three, to the same bits. The tokens see
           // one cache, none more of it than the next one; not with round_p
};

// Contract: with g = heads / kv_heads, head h * g + i of token m sees keys and values of KV head h:
//   s[t] = scale * sum_d q[d] k[t,d]   p = exp(s - max s) / sum exp(s - max s)
//   out[d] = sum_t p[t] v[t,d]         t in [0, length[m])
// round_q rounds q, round_p rounds p to float16 first, as the CPU path of ggml does.
// q, out: float32[M, heads, head_dim]. Format f16 or f32 is the type of the cache: keys[m] and
// values[m] point to [kv_heads, head_stride[m] / head_dim, head_dim] of it, of any alignment, of
// which the first length[m] positions are read. heads % kv_heads == 0, head_dim % 8 == 0, length[m]
// >= 1, longest = max length[m]. out overlaps nothing. Finite inputs whose s are finite. Bound,
// with S = max_t scale * sum_d |q[d] k[t,d]| and V = max_t |v[t,d]|:
//   |out - exact| <= 2^-24 V ((head_dim / 4 + 32) S + 2 (128 + length / 128) + 64)
// on every ISA (the scalar variant sums in float64); round_p adds 2^-11 V. float16 is exact input.
// Step store reads k and v, and writes zeros behind kv_dim; it alone writes to the cache.
struct attention_args {
  const float* q;
  float* out;
  const float *k, *v;               // [M, kv_heads, kv_dim], of step store
  std::int64_t kv_dim;              // <= head_dim
  const void* const* keys;          // [M]
  const void* const* values;        // [M]
  const std::int64_t* head_stride;  // [M]: elements from one KV head to the next
  const std::int64_t* length;       // [M]
  std::int64_t M, heads, kv_heads, head_dim;
  std::int64_t longest;
  float scale;
  bool round_q, round_p;
  // Set by the driver.
  attention_step step;
  std::int64_t begin, end;
  std::int64_t head;  // of a tile
  float* state;       // of a tile, or of the units of item first_item and later ones: unit.hpp
  std::int64_t first_item;  // the item that state begins with
};

// Step store of all tokens; `longest`, heads, q and out are not looked at.
void store_keys_and_values(const kernel_row& kernel, attention_args args, int threads);

// All items on `threads` threads, as one span.
void run_attention(const kernel_row& kernel, attention_args args, int threads);

}  // namespace bp
