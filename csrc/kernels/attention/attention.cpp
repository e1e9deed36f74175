#include "kernels/attention/attention.hpp"

#include <algorithm>
#include <atomic>
#include <string_view>
#include <vector>

#include "core/memory.hpp"
#include "core/registry.hpp"
#include "core/spans.hpp"
#include "core/team.hpp"
#include "formats/half.hpp"
#include "kernels/attention/unit.hpp"

namespace bp {
namespace {

constexpr std::int64_t products_before_threads = 1 << 19;  // below, waking a team costs more
constexpr std::int64_t most_queries = 64;           // of a tile: 32 KiB where head_dim is 128
constexpr std::int64_t most_tile_floats = 3 << 16;  // 768 KiB: in L2

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

// Where tiles begin, and at last where they end: tokens that follow each other and see one cache,
// each no less of it than the one before. Kept from call to call.
const std::vector<std::int64_t>& tiles_of(const attention_args& args, int threads) {
  thread_local std::vector<std::int64_t> starts;
  const std::int64_t fair = std::max<std::int64_t>(1, args.M * args.kv_heads / (4 * threads));
  const std::int64_t most =
      std::min(fair, std::max<std::int64_t>(1, most_queries / group_of(args)));
  const auto joins = [&](std::int64_t m) {
    const std::int64_t tokens = m + 1 - starts.back();
    return tokens <= most && args.keys[m] == args.keys[m - 1] &&
           args.values[m] == args.values[m - 1] && args.head_stride[m] == args.head_stride[m - 1] &&
           args.length[m] >= args.length[m - 1] &&
           tile_floats(args, tokens, blocks_seen(args, m)) <= most_tile_floats;
  };
  starts.assign(1, 0);
  for (std::int64_t m = 1; m < args.M; ++m) {
    if (!joins(m)) starts.push_back(m);
  }
  starts.push_back(args.M);
  return starts;
}

// States for as many chunks as run at a time: one for each thread.
class state_pool {
 public:
  state_pool(float* states, std::int64_t floats, int threads)
      : states_(states), floats_(floats), threads_(threads) {}
  template <class F>
  void with_one(F&& f) {
    int own = 0;
    while (taken_[own].test_and_set(std::memory_order_acquire)) own = (own + 1) % threads_;
    f(states_ + own * floats_);
    taken_[own].clear(std::memory_order_release);
  }

 private:
  std::atomic_flag taken_[max_threads] = {};
  float* states_;
  std::int64_t floats_;
  int threads_;
};

// All tokens, in tiles, those that see most first.
void run_tiles(kernel_fn<attention_args> fn, attention_args args, int threads) {
  const std::vector<std::int64_t>& starts = tiles_of(args, threads);
  std::int64_t floats = 0;
  for (std::size_t i = 1; i < starts.size(); ++i)
    floats = std::max(
        floats, tile_floats(args, starts[i] - starts[i - 1], blocks_seen(args, starts[i] - 1)));
  state_pool pool(reuse(states, threads * floats), floats, threads);
  const auto tiles = static_cast<std::int64_t>(starts.size()) - 1;
  args.step = attention_step::tile;
  for_chunks(threads, tiles * args.kv_heads, [&](std::int64_t chunk) {
    attention_args own = args;
    const auto tile = static_cast<std::size_t>(tiles - 1 - chunk / args.kv_heads);
    own.begin = starts[tile];
    own.end = starts[tile + 1];
    own.head = chunk % args.kv_heads;
    pool.with_one([&](float* state) {
      own.state = state;
      fn(own);
    });
  });
}

}  // namespace

void store_keys_and_values(const kernel_row& kernel, attention_args args, int threads) {
  constexpr std::int64_t values_before_threads = 1 << 15;
  auto* const fn = kernel_cast<attention_args>(kernel);
  if (2 * args.M * args.kv_heads * args.kv_dim < values_before_threads) threads = 1;
  for_rows(threads, args.M, 1, [&](std::int64_t begin, std::int64_t end) {
    run_step(fn, args, attention_step::store, begin, end);
  });
}

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
  const std::int64_t heads = args.kv_heads;
  const bool few = threads > 1 && args.M * heads < std::int64_t{4} * threads;
  if (args.M > 1 && !few && !args.round_p) return run_tiles(fn, args, threads);
  float* const state = reuse(states, heads * attention_blocks(args) * state_floats(args));
  for (std::int64_t m = 0; m < args.M; ++m)
    run_items(fn, args, m * heads, (m + 1) * heads, state, threads);
}

}  // namespace bp
