#include "kernels/probe_join/probe_join.hpp"

#include <vector>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {
namespace {

struct alignas(64) line {
  std::int64_t made = 0;
};

}  // namespace

std::int64_t run_probe_join(const kernel_row& kernel, std::int64_t jobs, int threads) {
  const span_guard span(row_index(kernel), 0, jobs);
  auto* const fn = kernel_cast<probe_join_args>(kernel);
  std::vector<line> lines(static_cast<std::size_t>(chunks_of(threads)));
  const auto chunks = static_cast<std::int64_t>(lines.size());
  for (std::int64_t job = 0; job < jobs; ++job) {
    for_rows(threads, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t first = probe_join_steps * begin / chunks;
      fn({&lines[static_cast<std::size_t>(begin)].made, probe_join_steps * end / chunks - first});
    });
  }
  std::int64_t total = 0;
  for (const line& each : lines) total += each.made;
  return total;
}

}  // namespace bp
