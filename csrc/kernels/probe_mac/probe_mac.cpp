#include "kernels/probe_mac/probe_mac.hpp"

#include <atomic>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

std::uint16_t run_probe_mac(const kernel_row& kernel, std::int64_t macs, int threads) {
  const span_guard span(row_index(kernel), 0, 2 * macs);
  auto* const fn = kernel_cast<probe_mac_args>(kernel);
  std::atomic<std::uint16_t> sum{0};
  for_chunks(threads, threads, [&](std::int64_t) {
    std::uint16_t mine = 0;
    const probe_mac_args part{macs / threads, &mine};
    fn(part);
    sum.fetch_add(mine, std::memory_order_relaxed);
  });
  return sum.load();
}

}  // namespace bp
