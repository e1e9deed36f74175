// The forward pass: tokens of one or more sequences to logits, over the kernel registry.
//
// A row of a result depends on the tokens before it in its sequence and on nothing else: not on the
// other rows of a batch, on how a prompt is cut, or on the number of threads (bitnet_cpp apart,
// which rounds a lone token as that program does).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.hpp"
#include "engine/kv_cache.hpp"
#include "engine/variants.hpp"
#include "engine/weights.hpp"
#include "engine/workspace.hpp"
#include "kernels/add/add.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/rms_norm/rms_norm.hpp"

namespace bp {

// Kernels of a forward pass, chosen once. `isa` forces an instruction set in every family that has
// it; the others take their best.
struct engine_kernels {
  engine_kernels(const model_config& config, std::string_view isa);
  const kernel_row *rms_norm, *rope, *attention, *act_mul, *add, *quantize;
};

// One token of a batch: tokens of a sequence follow each other in order of their positions.
struct batch_token {
  std::int32_t id;
  std::int32_t sequence;
};

// What a ternary product reads before it is quantized.
struct product_input {
  const float* x;
  const float* norm;  // weight, or null
  float* normed;      // x through the norm
  std::int64_t K;
  std::int32_t norm_operation, operation;
  const char* name;  // of the product, for errors
  bool gated;        // x is the gate, which goes through the activation first
  bool residual;     // x has the output of the block before added first
};

// Threads of a pass over one token, and of one over more.
struct engine_threads {
  int one, more;
};

class engine {
 public:
  engine(const model_config& config, std::string isa, engine_threads threads);

  const model_config& config() const { return config_; }
  const std::string& isa() const { return isa_; }
  model_weights& weights() { return weights_; }
  engine_threads threads() const { return teams_; }
  std::vector<const kernel_row*> kernels() const;  // those that run, and sample, each once

  std::int32_t add_sequence();
  void drop_sequence(std::int32_t sequence);
  kv_cache& cache(std::int32_t sequence);  // error_kind::model where there is none

  // Appends the tokens to their sequences. Logits [rows.size(), vocab] of the tokens with the
  // indices `rows` (ascending). Ids and sequences are checked before anything is changed; where a
  // value becomes NaN or infinite, error_kind::model says where, and the sequences keep their old
  // length. Allocates only where a sequence or a batch is longer than any before.
  void forward(std::span<const batch_token> tokens, std::span<const std::int64_t> rows,
               float* logits);

 private:
  void check(std::span<const batch_token> tokens);
  void run_batch(std::span<const batch_token> tokens, std::span<const std::int64_t> rows,
                 std::int64_t first, bool alone, float* logits);
  void place(std::span<const batch_token> tokens);
  attention_args store(std::int64_t layer, std::int64_t M);
  void attend(std::int64_t layer, std::int64_t M, bool alone);
  void attention_block(std::int64_t layer, std::int64_t M, bool alone);
  void feed_forward_block(std::int64_t layer, std::int64_t M);
  void head(std::span<const std::int64_t> rows, std::int64_t first, bool alone, float* logits);
  void prepare(const product_input& input, std::int64_t M, std::int64_t layer);
  rms_norm_args norm_args(const float* x, const float* weight, float* out, std::int64_t M,
                          std::int64_t K) const;
  void product(const ternary_matrix& w, std::int64_t M, float* out, bool again);
  add_args residual(std::int64_t M) const;

  model_config config_;
  std::string isa_;
  engine_threads teams_;
  int threads_;  // of the pass that runs
  engine_kernels kernels_;
  model_weights weights_;
  workspace work_;
  std::vector<std::unique_ptr<kv_cache>> caches_;
  // The last one dropped: the next sequence takes its memory, whose pages are there already.
  std::unique_ptr<kv_cache> spare_;
  std::vector<std::int64_t> lengths_, wanted_;  // of the caches, before and after a call
};

}  // namespace bp
