#include "kernels/probe_read/probe_read.hpp"

#include <atomic>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

std::uint64_t run_probe_read(const kernel_row& kernel, const std::uint8_t* data, std::int64_t bytes,
                             int threads) {
  const span_guard span(row_index(kernel), bytes, 0);
  auto* const fn = kernel_cast<probe_read_args>(kernel);
  std::atomic<std::uint64_t> word{0};
  for_rows(threads, bytes, probe_read_step, [&](std::int64_t begin, std::int64_t end) {
    std::uint64_t mine = 0;
    const probe_read_args part{data + begin, end - begin, &mine};
    fn(part);
    word.fetch_xor(mine, std::memory_order_relaxed);
  });
  return word.load();
}

}  // namespace bp
