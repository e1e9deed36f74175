#include "engine/chain.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/spans.hpp"
#include "core/team.hpp"
#include "kernels/float_rows.hpp"

namespace bp {
namespace {

// Values of a few rows: with what a step reads beside them, they stay in a second-level cache.
constexpr std::int64_t values_at_once = 1 << 15;

using times = std::array<std::int64_t, most_chain_steps>;  // nanoseconds of each step

void record(std::span<const chain_step> steps, const times& spent, std::int64_t begin,
            std::int32_t layer) {
  const std::int64_t end = now_ns();
  const std::int64_t sum =
      std::max<std::int64_t>(1, std::accumulate(spent.begin(), spent.end(), std::int64_t{0}));
  std::int64_t from = begin, at = begin, before = 0;  // `from`: of the operation
  for (std::size_t i = 0; i < steps.size(); ++i) {
    before += spent[i];
    const bool last = i + 1 == steps.size();
    const std::int64_t until = last ? end : begin + (end - begin) * before / sum;
    const kernel_work& work = steps[i].work;
    keep_span({row_index(*steps[i].kernel), layer, 0, 0, 0, at, until, work.bytes, work.ops});
    at = until;
    if (!last && steps[i + 1].operation == steps[i].operation) continue;
    keep_span({steps[i].operation, layer, 0, 0, 0, from, until, 0, 0});
    from = until;
  }
}

}  // namespace

void run_chain(std::span<const chain_step> steps, std::int64_t M, std::int64_t layer, int threads) {
  thread_local const char here = 0;  // its address tells threads apart
  const char* const caller = &here;
  const bool recorded = spans_compiled && spans_on.load(std::memory_order_relaxed);
  const std::int64_t begin = recorded ? now_ns() : 0;
  const std::int64_t width = steps[0].width;
  const std::int64_t few = std::max<std::int64_t>(1, values_at_once / width);
  if (M * width < values_before_threads) threads = 1;
  times spent{};
  for_rows(threads, M, 1, [&](std::int64_t first, std::int64_t last) {
    const bool timed = recorded && &here == caller;
    for (std::int64_t from = first; from < last; from += few) {
      const std::int64_t to = std::min(from + few, last);
      std::int64_t at = timed ? now_ns() : 0;
      for (std::size_t i = 0; i < steps.size(); ++i) {
        steps[i].rows(steps[i], from, to);
        if (!timed) continue;
        const std::int64_t now = now_ns();
        spent[i] += now - at;
        at = now;
      }
    }
  });
  if (recorded) record(steps, spent, begin, static_cast<std::int32_t>(layer));
}

}  // namespace bp
