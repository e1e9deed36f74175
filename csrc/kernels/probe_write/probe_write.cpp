#include "kernels/probe_write/probe_write.hpp"

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

void run_probe_write(const kernel_row& kernel, std::uint8_t* data, std::int64_t bytes,
                     std::uint64_t word, int threads) {
  const span_guard span(row_index(kernel), bytes, 0);
  auto* const fn = kernel_cast<probe_write_args>(kernel);
  for_rows(threads, bytes, probe_write_step,
           [&](std::int64_t begin, std::int64_t end) { fn({data + begin, end - begin, word}); });
}

}  // namespace bp
