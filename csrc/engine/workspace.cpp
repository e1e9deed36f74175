#include "engine/workspace.hpp"

#include <algorithm>

namespace bp {
namespace {

// Hands out arrays of one block of memory, each on a cache line of its own.
class arena {
 public:
  explicit arena(std::uint8_t* base) : base_(base) {}
  template <class T>
  void take(T*& array, std::int64_t count) {
    if (base_ != nullptr) array = reinterpret_cast<T*>(base_ + used_);
    used_ +=
        (static_cast<std::size_t>(count) * sizeof(T) + cache_line - 1) / cache_line * cache_line;
  }
  std::size_t used() const { return used_; }

 private:
  std::uint8_t* base_;
  std::size_t used_ = 0;
};

void lay_out(workspace& w, arena& from, const model_config& c, std::int64_t tokens) {
  const std::int64_t widest = std::max({c.width, q_width(c), c.ffn});
  const std::int64_t blocks = (widest + 255) / 256;
  from.take(w.x, tokens * c.width);
  from.take(w.normed, tokens * widest);
  from.take(w.q, tokens * q_width(c));
  from.take(w.attended, tokens * q_width(c));
  if (padded_head(c) != c.head_dim) {
    from.take(w.wide_q, tokens * c.heads * padded_head(c));
    from.take(w.wide_out, tokens * c.heads * padded_head(c));
  }
  from.take(w.k, tokens * kv_width(c));
  from.take(w.v, tokens * kv_width(c));
  from.take(w.gate, tokens * c.ffn);
  from.take(w.up, tokens * c.ffn);
  from.take(w.cos, tokens * c.rope_dim / 2);
  from.take(w.sin, tokens * c.rope_dim / 2);
  from.take(w.act, tokens * widest);
  from.take(w.act_scale, tokens * blocks);
  from.take(w.act_sum, tokens * blocks);
}

}  // namespace

void workspace::reserve(const model_config& config, std::int64_t tokens) {
  if (tokens <= tokens_) return;
  arena measure(nullptr);
  lay_out(*this, measure, config, tokens);
  memory_ = allocate(measure.used());
  arena real(memory_.get());
  lay_out(*this, real, config, tokens);
  const auto count = static_cast<std::size_t>(tokens);
  ids.resize(count);
  sequence.resize(count);
  head_stride.resize(count);
  length.resize(count);
  keys.resize(count);
  values.resize(count);
  tokens_ = tokens;
}

}  // namespace bp
