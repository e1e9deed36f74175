#include "engine/weights.hpp"

namespace bp {

matrix_shape shape_of(const model_config& c, std::string_view name) {
  if (name == "attn_q") return {q_width(c), c.width};
  if (name == "attn_k" || name == "attn_v") return {kv_width(c), c.width};
  if (name == "attn_output") return {c.width, q_width(c)};
  if (name == "ffn_gate" || name == "ffn_up") return {c.ffn, c.width};
  if (name == "ffn_down") return {c.width, c.ffn};
  if (name == "attn_sub_norm") return {q_width(c), 1};
  if (name == "ffn_sub_norm") return {c.ffn, 1};
  if (name == "token_embd" || name == "output") return {c.vocab, c.width};
  return {c.width, 1};  // the other norms
}

}  // namespace bp
