#include "engine/sample.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "core/memory.hpp"
#include "core/status.hpp"
#include "engine/variants.hpp"
#include "kernels/argmax/argmax.hpp"
#include "kernels/softmax/softmax.hpp"

namespace bp {
namespace {

constexpr double largest_penalized = 1e300;  // differences of values stay finite

struct token {
  std::int32_t id;
  double value;
};

// The order of the filters.
bool before(const token& a, const token& b) {
  return a.value > b.value || (a.value == b.value && a.id < b.id);
}

std::int64_t first_largest(const sampling_kernels& kernels, std::span<const float> logits) {
  argmax_args args{};
  args.x = logits.data();
  args.count = static_cast<std::int64_t>(logits.size());
  const argmax_result found = run_argmax(*kernels.argmax, args, kernels.threads);
  if (found.bad >= 0) {
    const float logit = args.x[found.bad];
    const char* word = std::isnan(logit) ? "nan" : logit > 0 ? "inf" : "-inf";
    fail(error_kind::config,
         "logits: entry " + std::to_string(found.bad) + " is " + word + "; all must be finite");
  }
  return found.largest;
}

// Logits, those of the history penalized, each once however often it is there.
class value_row {
 public:
  void set(std::span<const float> logits, std::span<const std::int64_t> history, double penalty);

  std::span<const float> logits() const { return logits_; }
  std::span<const std::int32_t> penalized() const { return ids_; }  // ascending
  std::span<const double> penalized_values() const { return values_; }

  double value(std::int64_t id) const {
    if (!is_penalized(id)) return logits_[static_cast<std::size_t>(id)];
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin();
    return values_[static_cast<std::size_t>(at)];
  }

  // The first in the order; `largest` is the first of the logits.
  token first(const kernel_row& argmax, std::int64_t largest) const;

 private:
  static std::size_t word(std::int64_t id) { return static_cast<std::size_t>(id) / 64; }
  static std::uint64_t bit(std::int64_t id) { return std::uint64_t{1} << (id % 64); }
  bool is_penalized(std::int64_t id) const {
    return !ids_.empty() && (marks_[word(id)] & bit(id)) != 0;
  }

  std::span<const float> logits_;
  std::vector<std::uint64_t> marks_;  // a bit an id: penalized
  std::vector<std::int32_t> ids_;
  std::vector<double> values_;
};

void value_row::set(std::span<const float> logits, std::span<const std::int64_t> history,
                    double penalty) {
  logits_ = logits;
  ids_.clear();
  values_.clear();
  if (history.empty() || penalty == 1) return;
  const auto [low, high] = std::minmax_element(history.begin(), history.end());
  if (*low < 0 || *high >= static_cast<std::int64_t>(logits.size())) {
    fail(error_kind::config, "history: ids " + std::to_string(*low) + " to " +
                                 std::to_string(*high) + ", the logits have " +
                                 std::to_string(logits.size()));
  }
  marks_.assign((logits.size() + 63) / 64, 0);
  for (const std::int64_t id : history) marks_[word(id)] |= bit(id);
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    for (std::uint64_t marks = marks_[i]; marks != 0; marks &= marks - 1) {
      const std::size_t id = 64 * i + static_cast<std::size_t>(std::countr_zero(marks));
      const double logit = logits[id], value = logit > 0 ? logit / penalty : logit * penalty;
      ids_.push_back(static_cast<std::int32_t>(id));
      values_.push_back(std::clamp(value, -largest_penalized, largest_penalized));
    }
  }
}

token value_row::first(const kernel_row& argmax, std::int64_t largest) const {
  if (is_penalized(largest)) {
    argmax_args args{};
    args.x = logits_.data();
    args.count = static_cast<std::int64_t>(logits_.size());
    largest = run_argmax_without(argmax, args, ids_).largest;
  }
  token best{-1, -HUGE_VAL};
  if (largest >= 0) best = {static_cast<std::int32_t>(largest), value(largest)};
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    const token each{ids_[i], values_[i]};
    if (before(each, best)) best = each;
  }
  return best;
}

// The sum of the numerators of at least `cut`: four at a time, and without a branch, which no CPU
// would foresee. The sign of a difference, spread over its word, is all ones below the cut.
double sum_from(double cut, std::span<const double> numerators) {
  constexpr std::size_t lanes = 4;
  const auto part = [cut](double x) {
    const std::int64_t below = std::bit_cast<std::int64_t>(x - cut) >> 63;
    return std::bit_cast<double>(std::bit_cast<std::int64_t>(x) & ~below);
  };
  std::array<double, lanes> sums{};
  std::size_t i = 0;
  for (; i + lanes <= numerators.size(); i += lanes)
    for (std::size_t j = 0; j < lanes; ++j) sums[j] += part(numerators[i + j]);
  for (; i < numerators.size(); ++i) sums[0] += part(numerators[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// The tokens that the filters keep, by their numerators exp((value - largest) / temperature): those
// that are not below a cut; single tokens above it are dropped by a numerator of 0. The filters go
// over bins of nearly equal logarithms, which the bits of a numerator give, and over the tokens of
// one bin.
class kept_tokens {
 public:
  void set(const sampling_kernels& kernels, const value_row& row, double largest,
           const sampling& options);
  void keep();
  std::int64_t draw(double number);

 private:
  // Numerators below 2^-76 are in sum less than 2^-53, for 2^23 tokens: neither a filter nor a draw
  // can tell whether they are there.
  static constexpr std::uint32_t deepest = 76 << 20;
  static constexpr std::uint32_t bins = 2048;
  // They are counted in bins that take turns, because a sum waits for the one before it.
  static constexpr std::uint32_t turns = 8;

  struct bin {
    double sum = 0;
    std::int64_t count = 0;
  };
  // What a filter counts, of bins and of numerators.
  struct by_count {
    double operator()(const bin& each) const { return static_cast<double>(each.count); }
    double operator()(double) const { return 1; }
  };
  struct by_sum {
    double operator()(const bin& each) const { return each.sum; }
    double operator()(double numerator) const { return numerator; }
  };

  // The upper half of the bits: the exponent and 20 bits more, enough for bins.
  static std::uint32_t upper(double numerator) {
    return static_cast<std::uint32_t>(std::bit_cast<std::uint64_t>(numerator) >> 32);
  }
  static std::uint32_t depth(double numerator) { return upper(1) - upper(numerator); }
  double edge(std::size_t at) const {  // the lowest numerator of a bin
    const std::uint64_t end = (std::uint64_t{at} + 1) << shift_;
    return std::bit_cast<double>((upper(1) - end + 1) << 32);
  }
  double scaled(double value) const { return (value - largest_) / temperature_; }
  double value(std::int64_t id) const { return scaled(row_->value(id)); }
  // Every numerator is read again: the kernel's sums are not those of what is kept.
  bool walked() const {
    return top_k_ > 0 || top_p_ < 1 || min_p_ > 0 || !row_->penalized().empty();
  }
  std::span<double> numerators() const { return {numerators_, row_->logits().size()}; }

  void fill_bins();
  template <class Measure>
  void keep_first(double need, Measure measure);
  template <class Measure>
  void split(std::size_t at, double need, Measure measure);
  void keep_probable(double share);
  void collect(double low, double high);
  void add_blocks();

  const value_row* row_ = nullptr;
  double largest_ = 0, temperature_ = 1;
  std::int64_t top_k_ = 0;  // 0: all
  double top_p_ = 1, min_p_ = 0;
  scratch memory_;
  double* numerators_ = nullptr;
  std::vector<softmax_sums> blocks_;
  double cut_ = 0;
  std::array<bin, bins + turns> bins_;
  std::size_t end_ = 0;  // of the bins that are kept
  int shift_ = 0;        // depth >> shift is the bin
  std::vector<token> members_;
};

void kept_tokens::set(const sampling_kernels& kernels, const value_row& row, double largest,
                      const sampling& options) {
  row_ = &row;
  largest_ = largest;
  temperature_ = options.temperature;
  cut_ = 0;
  const std::size_t count = row.logits().size();
  top_k_ = options.top_k < std::ssize(row.logits()) ? options.top_k : 0;
  top_p_ = options.top_p;
  min_p_ = options.min_p;
  numerators_ = reinterpret_cast<double*>(memory_.at_least(count * sizeof(double)));
  softmax_args args{};
  args.x = row.logits().data();
  args.out = numerators_;
  args.count = static_cast<std::int64_t>(count);
  args.largest = largest;
  args.temperature = options.temperature;
  blocks_.resize(static_cast<std::size_t>(softmax_blocks(args)));
  args.blocks = blocks_.data();
  // What walks over the numerators next does so alone: half of them in another core's cache cost it
  // more than two threads gain.
  run_softmax(*kernels.softmax, args, walked() ? 1 : kernels.threads);
  for (std::size_t i = 0; i < row.penalized().size(); ++i) {
    const std::int32_t id = row.penalized()[i];
    numerators_[id] = std::exp(scaled(row.penalized_values()[i]));
    softmax_sums& block = blocks_[static_cast<std::size_t>(id / softmax_block)];
    block.smallest = std::min(block.smallest, numerators_[id]);
  }
}

void kept_tokens::keep() {
  if (top_k_ > 0 || top_p_ < 1) fill_bins();
  if (top_k_ > 0) keep_first(static_cast<double>(top_k_), by_count());
  if (top_p_ < 1) {
    double sum = 0;
    for (std::size_t i = 0; i < end_; ++i) sum += bins_[i].sum;
    keep_first(top_p_ * sum, by_sum());
  }
  if (min_p_ > 0) keep_probable(min_p_);
  if (walked()) add_blocks();
}

void kept_tokens::fill_bins() {
  double smallest = 1;
  for (const softmax_sums& block : blocks_) smallest = std::min(smallest, block.smallest);
  int shift = 0;
  while (std::min(depth(smallest), deepest) >> shift >= bins) ++shift;
  shift_ = shift;
  end_ = bins;
  bins_.fill(bin());
  const auto add = [&](double numerator, std::uint32_t turn) {
    bin& each = bins_[std::min(depth(numerator) >> shift, bins + turn)];
    each.sum += numerator;
    ++each.count;
  };
  const std::span<const double> all = numerators();
  std::size_t i = 0;
  for (; i + turns <= all.size(); i += turns)
    for (std::uint32_t turn = 0; turn < turns; ++turn) add(all[i + turn], turn);
  for (; i < all.size(); ++i) add(all[i], 0);
}

// Keeps the first tokens whose measures sum to `need`, or all in bins.
template <class Measure>
void kept_tokens::keep_first(double need, Measure measure) {
  std::size_t at = 0;
  while (at < end_ && need > measure(bins_[at])) need -= measure(bins_[at++]);
  end_ = std::min(at + 1, end_);
  cut_ = edge(end_ - 1);
  if (at < end_) split(at, need, measure);
}

// The same among the tokens of one bin, by halves.
template <class Measure>
void kept_tokens::split(std::size_t at, double need, Measure measure) {
  collect(edge(at), at == 0 ? 2.0 : edge(at - 1));
  auto first = members_.begin(), last = members_.end();
  while (last - first > 1) {
    const auto middle = first + (last - first) / 2;
    std::nth_element(first, middle, last, before);
    double half = 0;
    for (auto each = first; each != middle; ++each) half += measure(numerators_[each->id]);
    if (need > half) {
      need -= half;
      first = middle;
    } else {
      last = middle;
    }
  }
  bins_[at] = bin();
  for (auto each = members_.begin(); each != last; ++each) {
    bins_[at].sum += numerators_[each->id];
    ++bins_[at].count;
  }
  for (auto each = last; each != members_.end(); ++each) numerators_[each->id] = 0;
}

// Near the limit a numerator is rounded: there the values decide.
void kept_tokens::keep_probable(double share) {
  const double low = share * (1 - 0x1p-40), high = share * (1 + 0x1p-40), least = std::log(share);
  if (high <= cut_) return;
  cut_ = std::max(cut_, low);
  collect(cut_, high);
  for (const token& each : members_)
    if (each.value < least) numerators_[each.id] = 0;
}

// The tokens whose numerators are in [low, high), 0 < low < high.
void kept_tokens::collect(double low, double high) {
  members_.clear();
  const auto first = std::bit_cast<std::uint64_t>(low);
  const std::uint64_t range = std::bit_cast<std::uint64_t>(high) - first;
  std::int32_t id = 0;
  for (const double numerator : numerators()) {
    if (std::bit_cast<std::uint64_t>(numerator) - first < range) [[unlikely]]
      members_.push_back({id, value(id)});
    ++id;
  }
}

void kept_tokens::add_blocks() {
  std::span<const double> rest = numerators();
  for (softmax_sums& block : blocks_) {
    const std::size_t count = std::min(rest.size(), static_cast<std::size_t>(softmax_block));
    block.sum = sum_from(cut_, rest.first(count));
    rest = rest.subspan(count);
  }
}

std::int64_t kept_tokens::draw(double number) {
  double all = 0, reached = 0;
  for (const softmax_sums& block : blocks_) all += block.sum;
  const double wanted = number * all;
  std::int64_t last = -1;  // kept: where sums by block and by token round apart, the draw
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    if (reached + blocks_[b].sum <= wanted) {
      reached += blocks_[b].sum;
      continue;
    }
    const std::int64_t begin = static_cast<std::int64_t>(b) * softmax_block;
    const std::int64_t end = std::min(begin + softmax_block, std::ssize(numerators()));
    for (std::int64_t i = begin; i < end; ++i) {
      if (numerators_[i] == 0 || numerators_[i] < cut_) continue;
      last = i;
      reached += numerators_[i];
      if (reached > wanted) return last;
    }
  }
  return last;
}

}  // namespace

struct sampler::memory {
  value_row row;
  kept_tokens kept;
};

sampling_kernels::sampling_kernels(std::string_view isa, int team)
    : argmax(&variant("argmax", "f32", isa)),
      softmax(&variant("softmax", "f32", isa)),
      threads(team) {
  check_isa(isa);
}

sampler::sampler() : memory_(std::make_unique<memory>()) {}
sampler::~sampler() = default;

std::int64_t sampler::choose(const sampling_kernels& kernels, std::span<const float> logits,
                             const sampling& options, std::span<const std::int64_t> history,
                             double number) {
  auto& [row, kept] = *memory_;
  const std::int64_t largest = first_largest(kernels, logits);
  row.set(logits, history, options.penalty);
  const token first = row.first(*kernels.argmax, largest);
  if (options.temperature == 0) return first.id;
  kept.set(kernels, row, first.value, options);
  kept.keep();
  return kept.draw(number);
}

}  // namespace bp
