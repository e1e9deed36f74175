// Who runs next, and a launch from its first block to its last.
#include <algorithm>
#include <map>

#include "emulator/machine.hpp"

namespace emu {
namespace {

// A thread runs until it waits. The greedy schedules let one warp go as far as it can; some missing
// barriers show in no other.
enum class schedule { in_order, reversed, random, greedy, greedy_reversed };

struct scheduler {
  schedule kind;
  std::uint64_t random_state;
  unsigned next = 0;

  bool backwards() const { return kind == schedule::reversed || kind == schedule::greedy_reversed; }

  std::uint64_t draw() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
  }

  // The first ready thread from position `from` on, cyclically; null: none is ready.
  fiber* scan(unsigned from) {
    const unsigned count = now->threads;
    for (unsigned k = 0; k < count; ++k) {
      const unsigned position = (from + k) % count;
      fiber& f = now->fibers[backwards() ? count - 1 - position : position];
      if (f.now != state::ready) continue;
      next = position + 1;
      return &f;
    }
    return nullptr;
  }

  fiber* pick() {
    switch (kind) {
      case schedule::random:
        return scan(static_cast<unsigned>(draw() % now->threads));
      case schedule::greedy:
      case schedule::greedy_reversed:
        return greedy();
      default:
        return scan(next);
    }
  }

  // A ready lane of the warp that ran last, else of the first warp that has one.
  fiber* greedy() {
    if (now->current != nullptr && next != 0) {
      const unsigned warp = now->current->linear / warp_lanes;
      const unsigned end = std::min(now->threads, (warp + 1) * warp_lanes);
      for (unsigned i = warp * warp_lanes; i < end; ++i)
        if (now->fibers[i].now == state::ready) return &now->fibers[i];
    }
    return scan(0);
  }
};

void begin_block(index3 index) {
  machine& m = *now;
  m.block_index = index;
  m.live = m.threads;
  m.current = nullptr;
  std::fill(std::begin(m.barriers), std::end(m.barriers), barrier{});
  for (std::size_t w = 0; w < m.warps.size(); ++w) {
    const unsigned lanes = std::min(warp_lanes, m.threads - static_cast<unsigned>(w) * warp_lanes);
    m.warps[w].exited = lanes == warp_lanes ? 0 : ~0u << lanes;
  }
  join(std::vector<bool>(m.warps.size(), true));
  begin_memory();
  begin_visibility();
  for (fiber& f : m.fibers) {
    f.now = state::ready;
    f.waited = m.asked->overlaps == 0;
    f.copies.clear();
    f.groups.clear();
    start_fiber(f);
  }
}

// Threads that wait, gathered by what they wait at.
std::string who_waits() {
  std::map<std::string, std::vector<unsigned>> waiting;
  for (const fiber& f : now->fibers)
    if (f.now != state::done) waiting[name_of(f.at)].push_back(f.linear);
  std::string text;
  for (const auto& [at, threads] : waiting) {
    text += text.empty() ? "" : "; ";
    text += std::to_string(threads.size()) + " threads from " + std::to_string(threads.front()) +
            " to " + std::to_string(threads.back()) + " wait at " + at;
  }
  return text;
}

void run_block(scheduler& order) {
  order.next = 0;
  while (now->live != 0 && now->error.empty()) {
    fiber* const f = order.pick();
    if (f == nullptr) {
      now->error = "dead-lock: " + who_waits();
      return;
    }
    now->current = f;
    bp_emu_switch(&now->scheduler, f->stack_pointer);
  }
}

void make_threads(std::vector<char>& stacks) {
  machine& m = *now;
  m.fibers.resize(m.threads);
  m.warps.resize((m.threads + warp_lanes - 1) / warp_lanes);
  m.known.resize(m.warps.size() * m.warps.size());
  if (stacks.size() < m.threads * stack_bytes) stacks.resize(m.threads * stack_bytes);
  for (unsigned i = 0; i < m.threads; ++i) {
    fiber& f = m.fibers[i];
    f.linear = i;
    f.index = {i % m.block.x, i / m.block.x % m.block.y, i / (m.block.x * m.block.y)};
    f.stack = stacks.data() + i * stack_bytes;
  }
}

}  // namespace

std::string name_of(const fiber& f) {
  const index3 b = now->block_index, t = f.index;
  const auto triple = [](index3 i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) +
           ")";
  };
  return "thread " + triple(t) + " of block " + triple(b);
}

std::string name_of(const place& p) {
  if (p.file == nullptr) return "its start";
  const std::string file = p.file;
  return std::string(p.what) + " in " + file.substr(file.rfind('/') + 1) + ":" +
         std::to_string(p.line);
}

void fail(const std::string& what) {
  now->error = what;
  suspend();
  __builtin_unreachable();
}

// Runs a launch. Returns an empty text, or what went wrong; it stays until the next launch.
BP_EXPORT const char* bp_emu_launch(const kernel* what, request* asked) {
  static std::string error;
  static std::vector<char> stacks;
  machine m;
  now = &m;
  m.running = what;
  m.asked = asked;
  m.grid = {asked->grid[0], asked->grid[1], asked->grid[2]};
  m.block = {asked->block[0], asked->block[1], asked->block[2]};
  m.threads = m.block.x * m.block.y * m.block.z;
  for (int i = 0; i < asked->array_count; ++i)
    m.arrays.push_back({asked->arrays[i].begin, static_cast<std::size_t>(asked->arrays[i].bytes),
                        "argument " + std::to_string(asked->arrays[i].argument),
                        asked->arrays[i].only_read != 0, asked->arrays[i].early != 0});
  make_image(what->function);
  make_threads(stacks);
  begin_trace(asked->traced != 0);
  scheduler order{static_cast<schedule>(asked->schedule),
                  asked->seed * 2654435761u + 88172645463325252u};
  const std::uint64_t blocks = std::uint64_t{m.grid.x} * m.grid.y * m.grid.z;
  for (std::uint64_t i = 0; i < blocks && m.error.empty(); ++i) {
    const std::uint64_t at = order.backwards() ? blocks - 1 - i : i, row = at / m.grid.x;
    begin_block({static_cast<unsigned>(at % m.grid.x), static_cast<unsigned>(row % m.grid.y),
                 static_cast<unsigned>(row / m.grid.y)});
    run_block(order);
  }
  const index3 b = m.block_index;
  error = m.error.empty() ? "" : m.error;
  if (!error.empty() && error.find("of block") == std::string::npos)
    error = "block (" + std::to_string(b.x) + ", " + std::to_string(b.y) + ", " +
            std::to_string(b.z) + "): " + error;
  now = nullptr;
  return error.c_str();
}

}  // namespace emu
