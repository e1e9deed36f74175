#include "kernels/unpack/unpack.hpp"

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"

namespace bp {

unpack_args unpack_arguments(const layout& w) {
  unpack_args args{};
  args.N = w.N;
  args.K = w.K;
  args.K_padded = w.K_padded;
  args.tile = w.tile;
  return args;
}

void run_unpack(const kernel_row& kernel, const layout& w, const std::uint8_t* data,
                std::int8_t* codes, int threads) {
  const span_guard span(row_index(kernel), w.N * w.K + code_bytes(w), w.N * w.K);
  auto* const fn = kernel_cast<unpack_args>(kernel);
  for_rows(threads, w.N, row_step(w), [&](std::int64_t begin, std::int64_t end) {
    unpack_args part = unpack_arguments(w);
    part.data = data;
    part.codes = codes + begin * w.K;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
  });
}

}  // namespace bp
