// What is ordered before what: within a block by barriers, between blocks by fences and atomics.
//
//   block A:  writes ... barrier ... thread q: fence, atomic on c
//   block B:                         thread r: atomic on c, fence ... barrier ... reads
//
// A fence of one thread counts for all that was ordered before it. Either barrier may be missing
// where q, or r, does it all itself.
#include "emulator/machine.hpp"

namespace emu {
namespace {

// Whether a write by a thread of another block was before the fence before `m`.
bool covers(const meeting& m, const written& w) {
  if (w.at.thread == m.at.thread) return w.fences < m.before.fences;
  return w.at.epoch < m.before.known[(w.at.thread - 1u) / warp_lanes];
}

}  // namespace

std::uint32_t block_number() {
  const index3 b = now->block_index, g = now->grid;
  return b.x + g.x * (b.y + g.y * b.z) + 1;
}

stamp stamp_of(const fiber& f) {
  return {now->warps[f.linear / warp_lanes].epoch, static_cast<std::uint16_t>(f.linear + 1)};
}

bool ordered(const fiber& f, stamp s) {
  if (s.thread == 0 || s.thread == f.linear + 1) return true;
  const std::size_t self = f.linear / warp_lanes, other = (s.thread - 1u) / warp_lanes;
  return s.epoch < now->known[self * now->warps.size() + other];
}

bool visible(const fiber& f, written w) {
  for (const meeting& from : now->released) {
    if (from.block != w.block || !covers(from, w)) continue;
    for (const meeting& here : now->acquired)
      if (here.address == from.address && ordered(f, here.at)) return true;
  }
  return false;
}

void begin_visibility() {
  now->pasts.assign(now->threads, {});
  now->taken.clear();
  now->acquired.clear();
}

void note_atomic(const void* address) {
  const fiber& f = *now->current;
  const past& before = now->pasts[f.linear];
  if (before.fences == 0) return;  // releases nothing, and is none that a block waits for
  now->taken.push_back({address, block_number(), stamp_of(f), before});
  now->released.push_back(now->taken.back());
}

extern "C" void bp_emu_fence() {
  const fiber& f = *now->current;
  const std::size_t count = now->warps.size();
  const auto* const row = now->known.data() + f.linear / warp_lanes * count;
  now->pasts[f.linear] = {++now->fences, {row, row + count}};
  const stamp mine = stamp_of(f);
  for (meeting m : now->taken) {
    if (m.at.thread != mine.thread) continue;
    m.at = mine;
    now->acquired.push_back(m);
  }
}

}  // namespace emu
