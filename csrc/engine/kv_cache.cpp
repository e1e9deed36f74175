#include "engine/kv_cache.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/spans.hpp"
#include "core/status.hpp"

namespace bp {
namespace {

constexpr std::int64_t least_capacity = 64;

}  // namespace

kv_cache::kv_cache(const model_config& config)
    : layers_(config.layers),
      kv_heads_(config.kv_heads),
      padded_(padded_head(config)),
      context_(config.context),
      element_(config.kv == kv_type::f16 ? 2 : 4) {}

std::int64_t kv_cache::bytes() const {
  return 2 * layers_ * kv_heads_ * capacity_ * padded_ * element_;
}

void kv_cache::reserve(std::int64_t positions) {
  if (positions > context_)
    fail(error_kind::model, "tokens: found " + std::to_string(positions) +
                                " positions, the context of the model holds " +
                                std::to_string(context_));
  if (positions <= capacity_) return;
  static const std::int32_t row = span_row("kv_cache_growth");
  const std::int64_t wanted =
      std::min(context_, std::max({positions, 2 * capacity_, least_capacity}));
  const std::int64_t heads = layers_ * kv_heads_, position_bytes = padded_ * element_;
  const span_guard span(row, 4 * heads * length_ * position_bytes, 0);
  for (buffer* memory : {&keys_, &values_}) {
    buffer grown = allocate(static_cast<std::size_t>(heads * wanted * position_bytes));
    for (std::int64_t h = 0; h < heads && length_ > 0; ++h)
      std::memcpy(grown.get() + h * wanted * position_bytes,
                  memory->get() + h * capacity_ * position_bytes,
                  static_cast<std::size_t>(length_ * position_bytes));
    *memory = std::move(grown);
  }
  capacity_ = wanted;
}

const std::uint8_t* kv_cache::at(const buffer& memory, std::int64_t layer) const {
  return memory.get() + layer * kv_heads_ * capacity_ * padded_ * element_;
}

}  // namespace bp
