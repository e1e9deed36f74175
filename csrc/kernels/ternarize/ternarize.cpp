#include "kernels/ternarize/ternarize.hpp"

#include <string_view>

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

void run_ternarize(const kernel_row& kernel, const ternarize_args& args, int threads) {
  const std::int64_t size = std::string_view(kernel.format) == "f16" ? 2 : 4;
  const std::int64_t made = args.step == ternarize_step::codes ? 1 : 0, count = args.rows * args.K;
  const span_guard span(row_index(kernel), count * (size + made), count);
  auto* const fn = kernel_cast<ternarize_args>(kernel);
  for_rows(threads, args.rows, 1, [&](std::int64_t begin, std::int64_t end) {
    ternarize_args part = args;
    part.x = static_cast<const std::uint8_t*>(args.x) + begin * args.K * size;
    part.rows = end - begin;
    if (args.statistics != nullptr) part.statistics = args.statistics + begin;
    if (args.codes != nullptr) part.codes = args.codes + begin * args.K;
    fn(part);
  });
}

}  // namespace bp
