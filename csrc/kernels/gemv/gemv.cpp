#include "kernels/gemv/gemv.hpp"

#include <cstring>

#include "core/memory.hpp"
#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"
#include "core/tunables.hpp"
#include "kernels/gemv/epilogue.hpp"

namespace bp {
namespace {

// Memory of the calling thread, kept from call to call; the team reads it while the caller waits.
enum slot { padded_q, q_sums, shared_tables, slots };

std::uint8_t* reuse(slot which, std::size_t bytes) {
  thread_local scratch kept[slots];
  return kept[which].at_least(bytes);
}

const std::int8_t* pad(const product_args& args, bool there) {
  if (args.K == args.K_true) return args.q;
  const auto rows = static_cast<std::size_t>(args.M), to = static_cast<std::size_t>(args.K),
             from = static_cast<std::size_t>(args.K_true);
  std::uint8_t* padded = reuse(padded_q, rows * to);
  if (there) return reinterpret_cast<const std::int8_t*>(padded);
  for (std::size_t m = 0; m < rows; ++m) {
    std::memcpy(padded + m * to, args.q + m * from, from);
    std::memset(padded + m * to + from, 0, to - from);
  }
  return reinterpret_cast<const std::int8_t*>(padded);
}

const std::int32_t* sums(const product_args& args, bool there) {
  auto* sum = reinterpret_cast<std::int32_t*>(
      reuse(q_sums, static_cast<std::size_t>(args.M) * sizeof(std::int32_t)));
  if (there) return sum;
  for (std::int64_t m = 0; m < args.M; ++m) {
    const std::int8_t* q = args.q + m * args.K;
    std::int32_t total = 0;
    for (std::int64_t k = 0; k < args.K; ++k) total += q[k];
    sum[m] = total;
  }
  return sum;
}

product_choices choices() {
  return {tuned(tunable::prefetch_bytes),      tuned(tunable::near_prefetch_bytes),
          tuned(tunable::far_prefetch_bytes),  tuned(tunable::panel_tokens),
          tuned(tunable::avx512_panel_tokens), tuned(tunable::line_panel_tokens),
          tuned(tunable::amx_tokens)};
}

// What the calling thread's memory was last made from.
struct input {
  const kernel_row* kernel = nullptr;
  const std::int8_t* q = nullptr;
  const std::int32_t* q_sum = nullptr;  // the caller's, in place of ours
  std::int64_t M = 0, K_true = 0;
  tiling tile;
  bool block_scales = false;
  product_choices tuned{};  // a layout may follow them, and others may change them at any time

  friend bool operator==(const input&, const input&) = default;
};

// Notes the input of this product; whether all that is made from it is there.
bool is_there(const kernel_row& kernel, const product_args& args) {
  thread_local input last;
  const input now{&kernel,     args.q,    args.q_sum,        args.M,
                  args.K_true, args.tile, args.block_scales, args.tuned};
  const bool same = args.same_q && now == last;
  last = now;
  return same;
}

// All that is made from q alone, unless it is there.
void prepare_input(const kernel_row& kernel, product_args& args, int threads) {
  const product_needs& needs = *args.needs;
  const bool there = is_there(kernel, args);
  args.q = pad(args, there);
  if (!needs.sums) {
    args.q_sum = nullptr;
  } else if (args.q_sum == nullptr) {
    args.q_sum = sums(args, there);
  }
  if (needs.shared_parts == 0) return;
  args.shared = reuse(shared_tables, needs.shared_bytes);
  if (there) return;
  args.step = product_step::prepare;
  for_rows(threads, needs.shared_parts, 1, [&](std::int64_t begin, std::int64_t end) {
    product_args part = args;
    part.part_begin = begin;
    part.part_end = end;
    kernel_cast<product_args>(kernel)(part);
  });
}

}  // namespace

void run_product(const kernel_row& kernel, product_args args, int threads) {
  const span_guard span(row_index(kernel), args.w_bytes + args.M * (args.K_true + 4 * args.N),
                        2 * args.M * args.N * args.K_true);
  auto* const fn = kernel_cast<product_args>(kernel);
  const bool integers = args.y != nullptr;
  args.block_scales = !integers && (args.block_scales || args.act_blocks != nullptr);
  args.tuned = choices();
  product_needs needs;
  args.needs = &needs;
  args.step = product_step::plan;
  fn(args);
  prepare_input(kernel, args, threads);
  args.scaled = nullptr;
  const bool floats = needs.floats && !args.block_scales;
  if (!integers && !floats) {
    // Sums are written where the result will stand, and turned into floats while in cache.
    if (args.block_scales) {
      args.scaled = args.out;
    } else {
      args.y = reinterpret_cast<std::int32_t*>(args.out);
    }
  }
  args.step = product_step::rows;
  for_rows(threads, args.N, needs.row_step, [&](std::int64_t begin, std::int64_t end) {
    product_args part = args;
    part.row_begin = begin;
    part.row_end = end;
    fn(part);
    if (!integers && !floats) apply_scales(part);
  });
}

}  // namespace bp
