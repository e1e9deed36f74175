// Barriers of a block and meetings of a warp, with what can go wrong at them.
#include <algorithm>
#include <cstdio>

#include "emulator/machine.hpp"

namespace emu {
namespace {

warp& warp_of(const fiber& f) {
  return now->warps[f.linear / warp_lanes];
}

std::string hexadecimal(unsigned value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", value);
  return text;
}

void release(unsigned id) {
  barrier& b = now->barriers[id];
  std::vector<bool> taking(now->warps.size());
  for (fiber& f : now->fibers) {
    if (f.now != state::at_barrier || f.barrier != id) continue;
    f.now = state::ready;
    taking[f.linear / warp_lanes] = true;
  }
  b = barrier{};
  join(taking);
}

// A barrier is complete when those that it expects, or all that still live, have come.
bool complete(const barrier& b) {
  return b.arrived != 0 && b.arrived == (b.expected == 0 ? now->live : b.expected);
}

void finish_meeting(unsigned mask, fiber& last, void (*combine)(void**, unsigned), bool orders) {
  void* lanes[warp_lanes] = {};
  fiber* const first = &now->fibers[last.linear / warp_lanes * warp_lanes];
  for (unsigned lane = 0; lane < warp_lanes; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    lanes[lane] = first[lane].mine;
    first[lane].now = state::ready;
  }
  now->combining = true;
  if (combine != nullptr) combine(lanes, mask);
  now->combining = false;
  warp& w = warp_of(last);
  if (orders && (mask | w.exited) == ~0u) {
    const std::size_t self = last.linear / warp_lanes, count = now->warps.size();
    now->known[self * count + self] = ++w.epoch;
  }
}

// Of the lanes that wait at a meeting: the first that shares a lane with `mask` but not its place.
const fiber* at_another_meeting(const fiber& me, unsigned mask) {
  const fiber* const first = &now->fibers[me.linear / warp_lanes * warp_lanes];
  const unsigned count = std::min(warp_lanes, now->threads - me.linear / warp_lanes * warp_lanes);
  for (unsigned lane = 0; lane < count; ++lane) {
    const fiber& other = first[lane];
    if (other.now != state::at_meeting || (other.mask & mask) == 0) continue;
    const bool same = other.mask == mask && other.at.line == me.at.line &&
                      std::string(other.at.what) == me.at.what;
    if (!same) return &other;
  }
  return nullptr;
}

}  // namespace

void join(const std::vector<bool>& warps) {
  const std::size_t count = now->warps.size();
  std::vector<std::uint32_t> latest(count);
  for (std::size_t w = 0; w < count; ++w) {
    if (!warps[w]) continue;
    ++now->warps[w].epoch;
    for (std::size_t v = 0; v < count; ++v)
      latest[v] = std::max(latest[v], now->known[w * count + v]);
  }
  for (std::size_t w = 0; w < count; ++w)
    if (warps[w]) latest[w] = now->warps[w].epoch;
  for (std::size_t w = 0; w < count; ++w) {
    if (!warps[w]) continue;
    for (std::size_t v = 0; v < count; ++v) now->known[w * count + v] = latest[v];
  }
}

void thread_exits() {
  fiber& me = *now->current;
  if (!me.waited) fail("too early: " + name_of(me) + " ends before earlier launches have ended");
  me.now = state::done;
  --now->live;
  warp_of(me).exited |= 1u << me.linear % warp_lanes;
  for (unsigned id = 0; id < 16; ++id)
    if (complete(now->barriers[id])) release(id);
}

extern "C" void bp_emu_barrier(unsigned id, unsigned count, const place* at) {
  fiber& me = *now->current;
  barrier& b = now->barriers[id];
  me.at = *at;
  if (b.arrived != 0 && b.at.line != at->line) {
    for (const fiber& other : now->fibers)
      if (other.now == state::at_barrier && other.barrier == id)
        fail("divergent barrier: " + name_of(me) + " comes to " + name_of(*at) + " while " +
             name_of(other) + " waits at " + name_of(other.at));
  }
  b.at = *at;
  b.expected = count;
  ++b.arrived;
  me.now = state::at_barrier;
  me.barrier = id;
  if (complete(b)) {
    release(id);
  } else {
    suspend();
  }
}

extern "C" void bp_emu_meet(unsigned mask, const place* at, void* mine,
                            void (*combine)(void**, unsigned), int orders) {
  fiber& me = *now->current;
  const unsigned lane = me.linear % warp_lanes;
  warp& w = warp_of(me);
  me.at = *at;
  if ((mask >> lane & 1) == 0)
    fail(name_of(me) + " is not in the mask " + hexadecimal(mask) + " of " + name_of(*at));
  const unsigned gone = mask & w.exited;
  if (gone != 0 && std::string(at->what) != "__syncwarp")
    fail(name_of(*at) + ": " + name_of(me) + " names lanes " + hexadecimal(gone) +
         " that have exited");
  if (const fiber* other = at_another_meeting(me, mask))
    fail("divergent warp: " + name_of(me) + " comes to " + name_of(*at) + " while " +
         name_of(*other) + " waits at " + name_of(other->at));
  me.mask = mask;
  me.mine = mine;
  me.now = state::at_meeting;
  const fiber* const first = &now->fibers[me.linear / warp_lanes * warp_lanes];
  unsigned here = 0;
  for (unsigned i = 0; i < warp_lanes && (mask & ~w.exited) >> i != 0; ++i)
    if ((mask & ~w.exited) >> i & 1 && first[i].now == state::at_meeting && first[i].mask == mask)
      here |= 1u << i;
  if (here == (mask & ~w.exited)) {
    finish_meeting(here, me, combine, orders != 0);
  } else {
    suspend();
  }
}

extern "C" void bp_emu_wait_for_launches() {
  now->current->waited = true;
}

extern "C" index3 bp_emu_thread() {
  return now->current->index;
}

extern "C" index3 bp_emu_block() {
  return now->block_index;
}

extern "C" index3 bp_emu_block_size() {
  return now->block;
}

extern "C" index3 bp_emu_grid_size() {
  return now->grid;
}

extern "C" unsigned bp_emu_lane() {
  return now->current->linear % warp_lanes;
}

extern "C" void bp_emu_fail(const char* what) {
  fail(name_of(*now->current) + ": " + what);
}

}  // namespace emu
