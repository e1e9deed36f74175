#include "engine/engine.hpp"

#include <algorithm>
#include <cmath>

#include "core/spans.hpp"
#include "core/status.hpp"
#include "engine/chain.hpp"
#include "engine/operations.hpp"
#include "engine/sample.hpp"
#include "formats/half.hpp"
#include "kernels/families.hpp"

namespace bp {
namespace {

// Heads of `width` values to heads of `wanted`, zeros behind them where those are wider.
void move_heads(const float* from, std::int64_t width, float* to, std::int64_t wanted,
                std::int64_t heads) {
  const std::int64_t kept = std::min(width, wanted);
  for (std::int64_t h = 0; h < heads; ++h) {
    std::copy_n(from + h * width, kept, to + h * wanted);
    std::fill(to + h * wanted + kept, to + (h + 1) * wanted, 0.0f);
  }
}

void round_to_half(float* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) x[i] = half_to_float(float_to_half(x[i]));
}

}  // namespace

engine_kernels::engine_kernels(const model_config& config, std::string_view isa)
    : rms_norm(&variant("rms_norm", "f32", isa)),
      rope(&variant("rope", "f32", isa)),
      attention(&variant("attention", config.kv == kv_type::f16 ? "f16" : "f32", isa)),
      act_mul(&variant(config.act == activation::relu2 ? "relu2_mul" : "silu_mul", "f32", isa)),
      add(&variant("add", "f32", isa)),
      quantize(&variant("quantize_activations",
                        config.quant == act_quant::q8_act ? "q8_act" : "q8_k", isa)) {}

engine::engine(const model_config& config, std::string isa, engine_threads threads)
    : config_(config),
      isa_(std::move(isa)),
      teams_(threads),
      threads_(threads.more),
      kernels_(config, isa_) {
  check_isa(isa_);
  weights_.layers.resize(static_cast<std::size_t>(config.layers));
}

std::vector<const kernel_row*> engine::kernels() const {
  std::vector<const kernel_row*> rows = {
      weights_.token_embd.embed, kernels_.rms_norm, kernels_.quantize, kernels_.rope,
      kernels_.attention,        kernels_.act_mul,  kernels_.add};
  const auto add = [&](const kernel_row* row) {
    if (std::find(rows.begin(), rows.end(), row) == rows.end()) rows.push_back(row);
  };
  for (const layer_weights& layer : weights_.layers) {
    for (const matrix_name& each : layer_matrices) {
      add((layer.*each.member).gemv);
      add((layer.*each.member).gemm);
    }
  }
  add(weights_.output.gemv);
  add(weights_.output.gemm);
  const sampling_kernels sampling(isa_, teams_.one);
  rows.insert(rows.end(), {sampling.argmax, sampling.softmax});
  return rows;
}

std::int32_t engine::add_sequence() {
  const auto free = std::find(caches_.begin(), caches_.end(), nullptr);
  auto made = spare_ ? std::move(spare_) : std::make_unique<kv_cache>(config_);
  if (free == caches_.end()) {
    caches_.push_back(std::move(made));
    return static_cast<std::int32_t>(caches_.size() - 1);
  }
  *free = std::move(made);
  return static_cast<std::int32_t>(free - caches_.begin());
}

kv_cache& engine::cache(std::int32_t sequence) {
  const auto index = static_cast<std::size_t>(sequence);
  if (sequence < 0 || index >= caches_.size() || caches_[index] == nullptr)
    fail(error_kind::model,
         "sequence: found " + std::to_string(sequence) + ", accepted is one that was added");
  return *caches_[index];
}

void engine::drop_sequence(std::int32_t sequence) {
  cache(sequence).set_length(0);
  spare_ = std::move(caches_[static_cast<std::size_t>(sequence)]);
}

void engine::check(std::span<const batch_token> tokens) {
  if (tokens.empty()) fail(error_kind::model, "tokens: found none, accepted is 1 or more");
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].id < 0 || tokens[i].id >= config_.vocab)
      fail(error_kind::model, "tokens[" + std::to_string(i) + "]: found " +
                                  std::to_string(tokens[i].id) + ", accepted are ids 0 to " +
                                  std::to_string(config_.vocab - 1));
    cache(tokens[i].sequence);
  }
}

void engine::forward(std::span<const batch_token> tokens, std::span<const std::int64_t> rows,
                     float* logits) {
  check(tokens);
  lengths_.assign(caches_.size(), 0);
  for (std::size_t i = 0; i < caches_.size(); ++i)
    if (caches_[i]) lengths_[i] = caches_[i]->length();
  wanted_ = lengths_;
  for (const batch_token& token : tokens) ++wanted_[static_cast<std::size_t>(token.sequence)];
  for (std::size_t i = 0; i < caches_.size(); ++i)
    if (caches_[i]) caches_[i]->reserve(wanted_[i]);
  const bool alone = tokens.size() == 1;
  const auto count = static_cast<std::int64_t>(tokens.size());
  work_.reserve(config_, std::min(count, most_batch_tokens));
  try {
    for (std::int64_t first = 0; first < count; first += most_batch_tokens) {
      const std::int64_t M = std::min(most_batch_tokens, count - first);
      const auto from = std::lower_bound(rows.begin(), rows.end(), first);
      const auto to = std::lower_bound(from, rows.end(), first + M);
      run_batch(tokens.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(M)),
                {from, to}, first, alone, logits + (from - rows.begin()) * config_.vocab);
    }
  } catch (...) {
    for (std::size_t i = 0; i < caches_.size(); ++i)
      if (caches_[i]) caches_[i]->set_length(lengths_[i]);
    throw;
  }
}

void engine::run_batch(std::span<const batch_token> tokens, std::span<const std::int64_t> rows,
                       std::int64_t first, bool alone, float* logits) {
  const auto M = static_cast<std::int64_t>(tokens.size());
  threads_ = M == 1 ? teams_.one : teams_.more;
  place(tokens);
  {
    const span_guard span(operation::embed(), 0, 0);
    const dense_matrix& w = weights_.token_embd;
    embed_args args{};
    args.w = w.data;
    args.N = w.N;
    args.K = w.K;
    args.tokens = work_.ids.data();
    args.out = work_.x;
    args.M = M;
    run_embed(*w.embed, args, threads_);
  }
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    attention_block(layer, M, alone);
    feed_forward_block(layer, M);
  }
  if (!rows.empty()) head(rows, first, alone, logits);
}

// Ids, positions and rotations of the tokens; their sequences are longer afterwards.
void engine::place(std::span<const batch_token> tokens) {
  const std::int64_t half = config_.rope_dim / 2;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    kv_cache& own = cache(tokens[i].sequence);
    const std::int64_t position = own.length();
    own.set_length(position + 1);
    work_.ids[i] = tokens[i].id;
    work_.sequence[i] = tokens[i].sequence;
    work_.length[i] = position + 1;
    const auto at = static_cast<std::int64_t>(i) * half;
    for (std::int64_t d = 0; d < half; ++d) {
      const double angle =
          static_cast<double>(position) * config_.rope_frequency[static_cast<std::size_t>(d)];
      work_.cos[at + d] = static_cast<float>(std::cos(angle));
      work_.sin[at + d] = static_cast<float>(std::sin(angle));
    }
  }
}

rms_norm_args engine::norm_args(const float* x, const float* weight, float* out, std::int64_t M,
                                std::int64_t K) const {
  rms_norm_args args{};
  args.x = x;
  args.weight = weight;
  args.out = out;
  args.M = M;
  args.K = K;
  args.eps = config_.eps;
  return args;
}

// The input of a ternary product: behind the residual connection or the activation, normalized
// where it has a norm, quantized. What is not an operation of its own is part of the norm, or
// without one of the operation before or behind.
void engine::prepare(const product_input& input, std::int64_t M, std::int64_t layer) {
  chain_step steps[most_chain_steps];
  std::size_t count = 0;
  std::int32_t operation = input.operation;
  const relu2_mul_args relu2{work_.gate, work_.up, work_.gate, M * input.K, 0, 0};
  const silu_mul_args silu{work_.gate, work_.up, work_.gate, M * input.K, 0, 0};
  if (input.gated) {
    operation = operation::act();
    steps[count++] = config_.act == activation::relu2
                         ? step_over_values(operation, *kernels_.act_mul, relu2, input.K)
                         : step_over_values(operation, *kernels_.act_mul, silu, input.K);
  }
  if (input.norm != nullptr) operation = input.norm_operation;
  const add_args sum = residual(M);
  if (input.residual) steps[count++] = step_over_values(operation, *kernels_.add, sum, input.K);
  const rms_norm_args norm = norm_args(input.x, input.norm, input.normed, M, input.K);
  if (input.norm != nullptr)
    steps[count++] = step_over_rows(operation, *kernels_.rms_norm, work_of(norm), norm);
  quantize_activations_args quantize{};
  quantize.x = input.norm != nullptr ? input.normed : input.x;
  quantize.kind = float_kind::float32;
  quantize.values = work_.act;
  quantize.scale = work_.act_scale;
  quantize.sum = work_.act_sum;
  quantize.M = M;
  quantize.K = input.K;
  steps[count++] = step_over_rows(operation, *kernels_.quantize,
                                  work_of(*kernels_.quantize, quantize), quantize);
  run_chain({steps, count}, M, layer, threads_);
  const std::int64_t bad = first_bad_activation(*kernels_.quantize, quantize);
  if (bad >= 0)
    fail(error_kind::model, "blk." + std::to_string(layer) + ": the input of " + input.name +
                                " is NaN or infinite at token " + std::to_string(bad / input.K) +
                                ", channel " + std::to_string(bad % input.K) +
                                ": a weight or scale before it is not usable");
}

// The product of the activations quantized last; `again` where their last product was by a matrix
// of as many columns.
void engine::product(const ternary_matrix& w, std::int64_t M, float* out, bool again) {
  product_args args{};
  args.w = w.data;
  args.w_bytes = w.bytes;
  args.q = work_.act;
  args.M = M;
  args.N = w.shape.N;
  args.K = w.shape.K_padded;
  args.K_true = w.shape.K;
  args.tile = w.shape.tile;
  args.out = out;
  args.weight_scale = w.scale;
  args.block_scales = w.block_scales;
  args.beside = w.beside;
  args.same_q = again;
  if (config_.quant == act_quant::q8_k) {
    args.act_blocks = work_.act_scale;
  } else {
    args.act_scale = work_.act_scale;
    args.q_sum = work_.act_sum;
  }
  run_product(M == 1 ? *w.gemv : *w.gemm, args, threads_);
}

// Keys and values of the tokens into the caches of their sequences; the arguments of attention that
// say where all of them are.
attention_args engine::store(std::int64_t layer, std::int64_t M) {
  attention_args args{};
  for (std::int64_t m = 0; m < M; ++m) {
    const auto i = static_cast<std::size_t>(m);
    const kv_cache& own = *caches_[static_cast<std::size_t>(work_.sequence[i])];
    work_.keys[i] = own.keys(layer);
    work_.values[i] = own.values(layer);
    work_.head_stride[i] = own.head_stride();
    args.longest = std::max(args.longest, work_.length[i]);
  }
  args.k = work_.k;
  args.v = work_.v;
  args.kv_dim = config_.head_dim;
  args.keys = work_.keys.data();
  args.values = work_.values.data();
  args.head_stride = work_.head_stride.data();
  args.length = work_.length.data();
  args.M = M;
  args.heads = config_.heads;
  args.kv_heads = config_.kv_heads;
  args.head_dim = padded_head(config_);
  store_keys_and_values(*kernels_.attention, args, threads_);
  return args;
}

void engine::attend(std::int64_t layer, std::int64_t M, bool alone) {
  const span_guard span(operation::attention(), 0, 0, layer);
  attention_args args = store(layer, M);
  const std::int64_t heads = M * config_.heads, padded = padded_head(config_);
  const bool pads = padded != config_.head_dim;
  if (pads) move_heads(work_.q, config_.head_dim, work_.wide_q, padded, heads);
  args.q = pads ? work_.wide_q : work_.q;
  args.out = pads ? work_.wide_out : work_.attended;
  args.scale = 1 / std::sqrt(static_cast<float>(config_.head_dim));
  args.round_q = config_.bitnet_cpp;
  args.round_p = config_.bitnet_cpp && alone;
  run_attention(*kernels_.attention, args, threads_);
  if (pads) move_heads(work_.wide_out, padded, work_.attended, config_.head_dim, heads);
}

void engine::attention_block(std::int64_t layer, std::int64_t M, bool alone) {
  const layer_weights& w = weights_.layers[static_cast<std::size_t>(layer)];
  prepare({work_.x, w.attn_norm, work_.normed, config_.width, operation::attn_norm(),
           operation::qkv(), "qkv", false, layer > 0},
          M, layer);
  {
    const span_guard span(operation::qkv(), 0, 0, layer);
    product(w.attn_q, M, work_.q, false);
    product(w.attn_k, M, work_.k, true);
    product(w.attn_v, M, work_.v, true);
  }
  {
    const span_guard span(operation::rope(), 0, 0, layer);
    rope_args args{};
    args.cos = work_.cos;
    args.sin = work_.sin;
    args.M = M;
    args.head_dim = config_.head_dim;
    args.rope_dim = config_.rope_dim;
    args.interleaved = config_.rope_interleaved;
    args.x = work_.q;
    args.heads = config_.heads;
    args.row_stride = q_width(config_);
    run_rope(*kernels_.rope, args, threads_);
    args.x = work_.k;
    args.heads = config_.kv_heads;
    args.row_stride = kv_width(config_);
    run_rope(*kernels_.rope, args, threads_);
  }
  attend(layer, M, alone);
  prepare({work_.attended, w.attn_sub_norm, work_.attended, q_width(config_),
           operation::attn_sub_norm(), operation::o_proj(), "attn_output", false, false},
          M, layer);
  const span_guard span(operation::o_proj(), 0, 0, layer);
  product(w.attn_output, M, work_.normed, false);
}

void engine::feed_forward_block(std::int64_t layer, std::int64_t M) {
  const layer_weights& w = weights_.layers[static_cast<std::size_t>(layer)];
  prepare({work_.x, w.ffn_norm, work_.normed, config_.width, operation::ffn_norm(),
           operation::gate_up(), "gate_up", false, true},
          M, layer);
  {
    const span_guard span(operation::gate_up(), 0, 0, layer);
    product(w.ffn_gate, M, work_.gate, false);
    product(w.ffn_up, M, work_.up, true);
  }
  prepare({work_.gate, w.ffn_sub_norm, work_.gate, config_.ffn, operation::ffn_sub_norm(),
           operation::down(), "ffn_down", true, false},
          M, layer);
  const span_guard span(operation::down(), 0, 0, layer);
  product(w.ffn_down, M, work_.normed, false);
}

// x += normed, which holds the output of a block.
add_args engine::residual(std::int64_t M) const {
  return {work_.x, work_.normed, M * config_.width, 0, 0};
}

// Logits of the tokens `rows`, of a batch that begins with token `first`.
void engine::head(std::span<const std::int64_t> rows, std::int64_t first, bool alone,
                  float* logits) {
  const auto M = static_cast<std::int64_t>(rows.size());
  {
    const span_guard span(operation::output_norm(), 0, 0);
    for (std::int64_t i = 0; i < M; ++i) {  // ascending: a row moves down or stays
      const std::int64_t row = rows[static_cast<std::size_t>(i)] - first;
      for (float* each : {work_.x, work_.normed})
        std::copy_n(each + row * config_.width, config_.width, each + i * config_.width);
    }
    run_add(*kernels_.add, residual(M), threads_);
    run_rms_norm(*kernels_.rms_norm,
                 norm_args(work_.x, weights_.output_norm, work_.normed, M, config_.width),
                 threads_);
  }
  const span_guard span(operation::lm_head(), 0, 0);
  const dense_matrix& w = weights_.output;
  if (w.half && (config_.half_head_input || (config_.bitnet_cpp && alone)))
    round_to_half(work_.normed, M * config_.width);
  dense_args args{};
  args.w = w.data;
  args.w_bytes = w.bytes;
  args.x = work_.normed;
  args.out = logits;
  args.M = M;
  args.N = w.N;
  args.K = w.K;
  if (M == 1) {
    run_gemv_dense(*w.gemv, args, threads_);
  } else {
    run_gemm_dense(*w.gemm, args, threads_);
  }
}

}  // namespace bp
