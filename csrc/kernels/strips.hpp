// Work that goes through int8 weights on the way from one form to another: strips of rows that stay
// in the cache, each with scratch of its own.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/memory.hpp"
#include "core/team.hpp"

namespace bp {

// f(begin, end, scratch) for strips of [0, rows) cut at multiples of `step`; scratch holds
// (end - begin) * row_bytes bytes.
template <class F>
void for_strips(int threads, std::int64_t rows, std::int64_t step, std::int64_t row_bytes, F&& f) {
  constexpr std::int64_t strip_bytes = std::int64_t{128} << 10;
  const std::int64_t height = std::max(step, strip_bytes / row_bytes / step * step);
  const std::int64_t strips = (rows + height - 1) / height;
  const std::int64_t chunks = threads == 1 ? 1 : std::min<std::int64_t>(strips, 4 * threads);
  const buffer scratch = allocate(static_cast<std::size_t>(chunks * height * row_bytes));
  for_chunks(threads, chunks, [&](std::int64_t chunk) {
    auto* own = reinterpret_cast<std::int8_t*>(scratch.get()) + chunk * height * row_bytes;
    const std::int64_t last = strips * (chunk + 1) / chunks;
    for (std::int64_t strip = strips * chunk / chunks; strip < last; ++strip)
      f(strip * height, std::min(rows, (strip + 1) * height), own);
  });
}

}  // namespace bp
