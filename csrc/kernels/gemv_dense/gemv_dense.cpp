#include "kernels/gemv_dense/gemv_dense.hpp"

#include "core/memory.hpp"
#include "core/tunables.hpp"
#include "formats/dense.hpp"
#include "kernels/float_rows.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

// Memory of the calling thread, kept from call to call; the team reads it while the caller waits.
enum slot { values, scales, block_sums, group_sums, slots };

template <class T>
T* reuse(slot which, std::int64_t count) {
  thread_local scratch kept[slots];
  return reinterpret_cast<T*>(kept[which].at_least(static_cast<std::size_t>(count) * sizeof(T)));
}

const std::int16_t* sums_of_groups(const dense_args& args, std::int64_t group) {
  if (group == 0) return nullptr;
  const std::int64_t count = args.M * args.K / group;
  auto* sum = reuse<std::int16_t>(group_sums, count);
  const std::int8_t* q = args.q;
  for (std::int64_t i = 0; i < count; ++i, q += group) {
    std::int32_t total = 0;  // at most 32 * 127
    for (std::int64_t k = 0; k < group; ++k) total += q[k];
    sum[i] = static_cast<std::int16_t>(total);
  }
  return sum;
}

// The variant that quantizes for `product`. The last one is kept: select() makes strings, and a
// call allocates nothing once it has run.
const kernel_row& quantizer(const kernel_row& product, std::string_view activations) {
  thread_local const kernel_row* asked = nullptr;
  thread_local const kernel_row* found = nullptr;
  if (asked != &product) {
    found = &select("quantize_activations", activations, product.isa);
    asked = &product;
  }
  return *found;
}

void quantize(dense_args& args, const dense_format& format, const kernel_row& product,
              int threads) {
  const kernel_row& kernel = quantizer(product, format.activations);
  const std::int64_t blocks = args.M * activation_blocks(format.activations, args.K);
  quantize_activations_args to{};
  to.x = args.x;
  to.kind = float_kind::float32;
  to.values = reuse<std::int8_t>(values, args.M * args.K);
  to.scale = reuse<float>(scales, blocks);
  to.sum = reuse<std::int32_t>(block_sums, blocks);
  to.M = args.M;
  to.K = args.K;
  run_float_rows(kernel, to, args.K, threads);
  args.q = to.values;
  args.q_scale = to.scale;
  args.q_sum = sums_of_groups(args, format.group);
}

}  // namespace

void run_dense(const kernel_row& kernel, dense_args args, int threads) {
  const span_guard span(row_index(kernel), args.w_bytes + 4 * args.M * (args.K + args.N),
                        2 * args.M * args.N * args.K);
  const dense_format& format = find_dense(kernel.format);
  if (!format.activations.empty()) quantize(args, format, kernel, threads);
  args.ahead = {tuned(tunable::far_prefetch_bytes), tuned(tunable::head_prefetch_bytes)};
  auto* const fn = kernel_cast<dense_args>(kernel);
  for_rows(threads, args.N, 1, [&](std::int64_t begin, std::int64_t end) {
    dense_args part = args;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
  });
}

}  // namespace bp
