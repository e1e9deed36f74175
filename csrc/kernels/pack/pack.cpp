#include "kernels/pack/pack.hpp"

#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/status.hpp"
#include "core/team.hpp"

namespace bp {

pack_args pack_arguments(const layout& w) {
  pack_args args{};
  args.N = w.N;
  args.K = w.K;
  args.K_padded = w.K_padded;
  args.tile = w.tile;
  return args;
}

void check_codes(const std::int8_t* codes, std::int64_t N, std::int64_t K) {
  for (std::int64_t i = 0; i < N * K; ++i) {
    if (codes[i] >= -1 && codes[i] <= 1) continue;
    fail(error_kind::format, "ternary: found " + std::to_string(codes[i]) + " at [" +
                                 std::to_string(i / K) + ", " + std::to_string(i % K) +
                                 "], accepted are -1, 0 and 1");
  }
}

void run_pack(const kernel_row& kernel, const layout& w, const std::int8_t* codes,
              std::uint8_t* data, std::uint16_t d, int threads) {
  std::uint8_t invalid = 0;
  {
    const span_guard span(row_index(kernel), w.N * w.K + code_bytes(w), w.N * w.K);
    auto* const fn = kernel_cast<pack_args>(kernel);
    for_rows(threads, w.N, row_step(w), [&](std::int64_t begin, std::int64_t end) {
      pack_args part = pack_arguments(w);
      part.codes = codes + begin * w.K;
      part.data = data;
      part.d = d;
      part.row_begin = begin;
      part.row_end = end;
      part.invalid = &invalid;
      fn(part);
    });
  }
  if (invalid != 0) check_codes(codes, w.N, w.K);
}

}  // namespace bp
