// The weights of a model as the forward pass reads them: views, whose memory the owner of the
// engine keeps.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/registry.hpp"
#include "engine/config.hpp"
#include "formats/layout.hpp"

namespace bp {

// Ternary weights W[N, K] and the kernels that multiply by them.
struct ternary_matrix {
  layout shape{};
  const std::uint8_t* data = nullptr;
  std::int64_t bytes = 0;
  float scale = 1;                // of the whole tensor
  bool block_scales = false;      // the blocks hold scales, or they stand in `beside`
  const float* beside = nullptr;  // [N, ceil(K / 256)] for a native layout
  const kernel_row* gemv = nullptr;
  const kernel_row* gemm = nullptr;
};

// The embedding or the head, in one of GGML's float or block formats.
struct dense_matrix {
  const std::uint8_t* data = nullptr;
  std::int64_t bytes = 0, N = 0, K = 0;
  bool half = false;  // float16
  const kernel_row* embed = nullptr;
  const kernel_row* gemv = nullptr;
  const kernel_row* gemm = nullptr;
};

struct layer_weights {
  const float *attn_norm = nullptr, *attn_sub_norm = nullptr;  // [width]; sub norms may be absent
  const float *ffn_norm = nullptr, *ffn_sub_norm = nullptr;    // [width]; [ffn]
  ternary_matrix attn_q, attn_k, attn_v, attn_output;
  ternary_matrix ffn_gate, ffn_up, ffn_down;
};

struct model_weights {
  dense_matrix token_embd, output;  // output: the embedding again where the file has no head
  const float* output_norm = nullptr;
  std::vector<layer_weights> layers;
};

// One line per matrix and norm of a layer: its name in files, its member.
struct matrix_name {
  std::string_view name;
  ternary_matrix layer_weights::* member;
};
struct norm_name {
  std::string_view name;
  const float* layer_weights::* member;
};
inline constexpr matrix_name layer_matrices[] = {
    {"attn_q", &layer_weights::attn_q},     {"attn_k", &layer_weights::attn_k},
    {"attn_v", &layer_weights::attn_v},     {"attn_output", &layer_weights::attn_output},
    {"ffn_gate", &layer_weights::ffn_gate}, {"ffn_up", &layer_weights::ffn_up},
    {"ffn_down", &layer_weights::ffn_down},
};
inline constexpr norm_name layer_norms[] = {
    {"attn_norm", &layer_weights::attn_norm},
    {"attn_sub_norm", &layer_weights::attn_sub_norm},
    {"ffn_norm", &layer_weights::ffn_norm},
    {"ffn_sub_norm", &layer_weights::ffn_sub_norm},
};

// N and K that `name` must have. The same for norms, K = 1.
struct matrix_shape {
  std::int64_t N, K;
};
matrix_shape shape_of(const model_config& config, std::string_view name);

}  // namespace bp
