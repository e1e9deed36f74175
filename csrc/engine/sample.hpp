// The next token from a row of logits: repetition penalty, temperature, top-k, top-p, min-p, draw.
//
// Each filter keeps the first tokens in order of decreasing value, of equal values the lowest ids;
// each sees what the ones before it left, and at least one token always stays.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/registry.hpp"

namespace bp {

struct sampling {
  double temperature;  // logits are divided by it; 0: the largest value, nothing is drawn
  std::int64_t top_k;  // the k largest; 0: all
  double top_p;        // the fewest whose probabilities reach it, above 0; 1: all
  double min_p;        // those of at least this share of the largest's probability; 0: all
  double penalty;      // of tokens of the history: positive logits / it, others * it; 1: none
};

// What a choice runs on; `isa` as for the engine: error_kind::isa where it is unknown or cannot
// run. A result depends neither on the threads nor, but for rounding, on the kernels.
struct sampling_kernels {
  sampling_kernels(std::string_view isa, int team);
  const kernel_row *argmax, *softmax;
  int threads;
};

// Keeps its memory from choice to choice; one choice at a time.
class sampler {
 public:
  sampler();
  ~sampler();

  // The id drawn from `logits` (at least one) after the ids of `history` by `number` in [0, 1): the
  // first, by id, at which the probabilities of the tokens kept sum to more than `number`. Values,
  // probabilities and sums are float64. Takes linear time, and no memory beyond the longest row and
  // history so far; none at all for the largest of unpenalized logits.
  // Raises error_kind::config where a logit is NaN or infinite or, with a penalty, the history
  // holds an id that is none of theirs.
  std::int64_t choose(const sampling_kernels& kernels, std::span<const float> logits,
                      const sampling& options, std::span<const std::int64_t> history,
                      double number);

 private:
  struct memory;
  std::unique_ptr<memory> memory_;
};

}  // namespace bp
