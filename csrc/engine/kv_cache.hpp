// Keys and values of one sequence: [layer][kv_head][position][padded head], float16 or float32.
#pragma once

#include <cstdint>

#include "core/memory.hpp"
#include "engine/config.hpp"

namespace bp {

class kv_cache {
 public:
  explicit kv_cache(const model_config& config);

  std::int64_t length() const { return length_; }
  std::int64_t capacity() const { return capacity_; }
  std::int64_t bytes() const;

  // Room for `positions` in all. Grows in steps that double, so that growth costs one copy of what
  // is there a doubling. error_kind::model beyond the context of the model.
  void reserve(std::int64_t positions);
  // The first `positions` stay: they are the length afterwards.
  void set_length(std::int64_t positions) { length_ = positions; }

  const void* keys(std::int64_t layer) const { return at(keys_, layer); }
  const void* values(std::int64_t layer) const { return at(values_, layer); }
  std::int64_t head_stride() const { return capacity_ * padded_; }  // elements

 private:
  const std::uint8_t* at(const buffer& memory, std::int64_t layer) const;

  std::int64_t layers_, kv_heads_, padded_, context_, element_;
  std::int64_t length_ = 0, capacity_ = 0;
  buffer keys_, values_;
};

}  // namespace bp
