#include "kernels/attention/attention.hpp"

#include <string_view>

#include "core/memory.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"
#include "formats/half.hpp"
#include "kernels/attention/unit.hpp"

namespace bp {
namespace {

constexpr std::int64_t products_before_threads = 1 << 19;  // below, waking a team costs more

// Memory of the calling thread, kept from call to call; the team uses it while the caller waits.
enum slot { states, rounded_q, slots };

float* reuse(slot which, std::int64_t floats) {
  thread_local struct {
    buffer memory;
    std::int64_t floats = 0;
  } kept[slots];
  auto& found = kept[which];
  if (found.floats < floats) {
    found.memory.reset();
    found.floats = 0;
    found.memory = allocate(static_cast<std::size_t>(floats) * sizeof(float));
    found.floats = floats;
  }
  return reinterpret_cast<float*>(found.memory.get());
}

const float* round_to_half(const float* q, std::int64_t count) {
  float* to = reuse(rounded_q, count);
  for (std::int64_t i = 0; i < count; ++i) to[i] = half_to_float(float_to_half(q[i]));
  return to;
}

// Positions that are read: those of tokens that follow each other in one sequence count once.
std::int64_t positions_read(const attention_args& args) {
  std::int64_t read = 0, longest = 0;
  for (std::int64_t m = 0; m < args.M; ++m) {
    if (m > 0 && args.keys[m] != args.keys[m - 1]) {
      read += longest;
      longest = 0;
    }
    if (args.length[m] > longest) longest = args.length[m];
  }
  return read + longest;
}

void run_step(kernel_fn<attention_args> fn, attention_args args, attention_step step,
              std::int64_t begin, std::int64_t end) {
  args.step = step;
  args.begin = begin;
  args.end = end;
  fn(args);
}

// Items [begin, end), whose units are spread over `threads`. Rounded probabilities need the scores
// of all units before the first value; else a unit's values follow its scores, which are in L1
// then.
void run_items(kernel_fn<attention_args> fn, attention_args args, std::int64_t begin,
               std::int64_t end, float* state, int threads) {
  args.first_item = begin;
  args.state = state;
  const std::int64_t first = begin * attention_blocks(args), last = end * attention_blocks(args);
  const auto run_units = [&](bool scores, bool values) {
    for_rows(threads, last - first, 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t u = first + from; u < first + to; ++u) {
        if (scores) run_step(fn, args, attention_step::scores, u, u + 1);
        if (values) run_step(fn, args, attention_step::values, u, u + 1);
      }
    });
  };
  run_units(true, !args.round_p);
  if (args.round_p) run_units(false, true);
  for_rows(threads, end - begin, 1, [&](std::int64_t from, std::int64_t to) {
    run_step(fn, args, attention_step::merge, begin + from, begin + to);
  });
}

}  // namespace

void run_attention(const kernel_row& kernel, attention_args args, int threads) {
  std::int64_t seen = 0;
  for (std::int64_t m = 0; m < args.M; ++m) seen += args.length[m];
  const std::int64_t width = args.heads * args.head_dim;
  const std::int64_t element = std::string_view(kernel.format) == "f16" ? 2 : 4;
  const span_guard span(
      row_index(kernel),
      8 * args.M * width + 2 * element * positions_read(args) * args.kv_heads * args.head_dim,
      4 * seen * width);
  auto* const fn = kernel_cast<attention_args>(kernel);
  if (args.round_q) args.q = round_to_half(args.q, args.M * width);
  if (2 * seen * width < products_before_threads) threads = 1;
  const std::int64_t items = args.M * args.kv_heads;
  const std::int64_t floats = attention_blocks(args) * state_floats(args);
  const std::int64_t chunks = threads > 1 ? std::int64_t{4} * threads : 1;
  if (threads > 1 && items < chunks) {
    run_items(fn, args, 0, items, reuse(states, items * floats), threads);
    return;
  }
  float* const state = reuse(states, chunks * floats);
  for_chunks(threads, chunks, [&](std::int64_t chunk) {
    for (std::int64_t i = items * chunk / chunks; i < items * (chunk + 1) / chunks; ++i)
      run_items(fn, args, i, i + 1, state + chunk * floats, 1);
  });
}

}  // namespace bp
