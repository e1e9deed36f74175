// What a model is: sizes and the arithmetic of its layers. Filled and checked by whoever reads the
// file; the engine trusts it.
#pragma once

#include <cstdint>
#include <vector>

namespace bp {

enum class activation { relu2, silu };
enum class act_quant { q8_act, q8_k };  // int8 activations: one scale a row, or one in 256 values
enum class kv_type { f16, f32 };

struct model_config {
  std::int64_t layers, width, ffn;         // width: hidden size
  std::int64_t heads, kv_heads, head_dim;  // heads % kv_heads == 0
  std::int64_t vocab, context;             // context: most positions of a sequence
  float eps;                               // of every norm
  std::int64_t rope_dim;                   // even, <= head_dim
  std::vector<double> rope_frequency;      // [rope_dim / 2], radians a position
  bool rope_interleaved;                   // pairs (2i, 2i + 1), else halves (i, i + rope_dim / 2)
  activation act;
  act_quant quant;
  kv_type kv;
  // Roundings of bitnet.cpp's CPU path: queries to float16; where one token is computed alone, its
  // probabilities and the input of a float16 head too.
  bool bitnet_cpp;
  // Rounds the input of a float16 head to float16 always, as llama.cpp does.
  bool half_head_input;
};

// Values of a head as the KV cache and attention hold it: whole vectors, zeros behind head_dim.
inline std::int64_t padded_head(const model_config& c) {
  return (c.head_dim + 7) / 8 * 8;
}
inline std::int64_t kv_width(const model_config& c) {
  return c.kv_heads * c.head_dim;
}
inline std::int64_t q_width(const model_config& c) {
  return c.heads * c.head_dim;
}

}  // namespace bp
