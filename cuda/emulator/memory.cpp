// What a kernel may touch: the arrays of the launch, shared memory, its own stack and constants.
// Shared memory is poisoned, must be written before it is read, and is watched for accesses of two
// threads, one of them a write, that no barrier orders.
#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstring>

#include "emulator/machine.hpp"

namespace emu {
namespace {

constexpr std::size_t arena_bytes = 512 * 1024;

std::vector<char> arena;  // shared memory of the block that runs
std::vector<shadow> shadows;
std::size_t arena_used = 0;  // bytes that the block before may have changed

bool inside(const span& s, const char* address, std::size_t bytes) {
  return address >= s.begin && address + bytes <= s.begin + s.bytes;
}

span* find(std::vector<span>& spans, const char* address, std::size_t bytes) {
  for (span& s : spans)
    if (inside(s, address, bytes)) return &s;
  return nullptr;
}

std::string hex(const void* value) {
  char text[24];
  std::snprintf(text, sizeof text, "%p", value);
  return text;
}

std::string describe(const fiber& f, const access& a) {
  static const char* const verbs[] = {" reads ", " writes ", " updates "};
  return name_of(f) + verbs[static_cast<int>(a.kind)] + std::to_string(a.bytes) + " bytes";
}

std::string site_of(const access& a) {
  return " [at " + hex(a.site) + "]";
}

std::string thread_name(std::uint16_t thread) {
  return "thread " + std::to_string(thread - 1);
}

[[noreturn]] void out_of_bounds(const fiber& f, const access& a) {
  const span* nearest = nullptr;
  long long distance = 0;
  for (const auto* spans : {&now->arrays, &now->shared}) {
    for (const span& s : *spans) {
      const long long from = a.address - s.begin;
      const long long gap = from < 0 ? -from : from - static_cast<long long>(s.bytes);
      if (nearest != nullptr && gap >= distance) continue;
      nearest = &s;
      distance = gap;
    }
  }
  std::string text = "out of bounds: " + describe(f, a);
  if (nearest != nullptr)
    text += " at byte " + std::to_string(a.address - nearest->begin) + " of " + nearest->name +
            ", which has " + std::to_string(nearest->bytes);
  fail(text + site_of(a));
}

[[noreturn]] void race(const fiber& f, const access& a, const stamp& before, const char* did) {
  const span* s = find(now->shared, a.address, 1);
  fail("race: " + describe(f, a) + " at byte " + std::to_string(a.address - s->begin) + " of " +
       s->name + ", which " + thread_name(before.thread) + did + " with no barrier between" +
       site_of(a));
}

void note_read(const fiber& f, shadow& b) {
  const stamp mine = stamp_of(f);
  stamp& last = b.read[0];
  const bool own = last.thread != 0 && (last.thread - 1u) / warp_lanes == f.linear / warp_lanes;
  if (own && last.epoch == mine.epoch) {
    if (last.thread != mine.thread) b.read[1] = mine;
    return;
  }
  if (!own) b.read[2] = last;
  last = mine;
  b.read[1] = stamp{};
}

void check_shared(const fiber& f, const access& a) {
  shadow* const bytes = &shadows[static_cast<std::size_t>(a.address - arena.data())];
  const stamp mine = stamp_of(f);
  for (std::size_t i = 0; i < a.bytes; ++i) {
    shadow& b = bytes[i];
    if (b.in_flight != 0)
      fail("unfinished cp.async: " + describe(f, a) + " that " + thread_name(b.in_flight) +
           " has not waited for" + site_of(a));
    if (!ordered(f, b.written)) race(f, a, b.written, " wrote");
    if (a.kind == access_kind::read) {
      if (b.written.thread == 0)
        fail("uninitialised: " + describe(f, a) + " of shared memory that nobody wrote" +
             site_of(a));
      note_read(f, b);
      continue;
    }
    for (const stamp& r : b.read)
      if (!ordered(f, r)) race(f, a, r, " read");
    b.written = mine;
  }
}

// Before a thread has waited for the launches before, it may read what none of them writes.
void check_waited(const fiber& f, const access& a, const span& array) {
  if (f.waited || (array.early && a.kind == access_kind::read)) return;
  fail("too early: " + describe(f, a) + " of " + array.name +
       " before it has waited for earlier launches" + site_of(a));
}

// Blocks run at the same time on a GPU: what one writes no other may touch, but with atomics, or
// where fences and an atomic of both are between.
void check_array(const fiber& f, const access& a, span& array) {
  if (a.kind == access_kind::atomic || (array.only_read && a.kind == access_kind::read)) return;
  if (array.only_read) fail("read-only: " + describe(f, a) + " of " + array.name + site_of(a));
  array.writers.resize(array.bytes);
  array.readers.resize(array.bytes);
  const std::uint32_t me = block_number();
  const bool writes = a.kind == access_kind::write;
  for (std::size_t i = 0; i < a.bytes; ++i) {
    const auto at = static_cast<std::size_t>(a.address - array.begin) + i;
    const written& last = array.writers[at];
    const std::uint32_t reader = writes ? array.readers[at] : 0;
    const bool apart = last.block != 0 && last.block != me && !visible(f, last);
    const std::uint32_t writer = apart ? last.block : 0, other = apart ? writer : reader;
    if (other != 0 && other != me)
      fail("race of blocks: " + describe(f, a) + " at byte " + std::to_string(at) + " of " +
           array.name + ", which block number " + std::to_string(other - 1) +
           (other == writer ? " wrote" : " read") + site_of(a));
    if (writes) {
      array.writers[at] = {me, now->fences, stamp_of(f)};
    } else {
      array.readers[at] = me;
    }
  }
}

}  // namespace

void check(const fiber& f, const access& a) {
  if (a.address >= f.stack && a.address < f.stack + stack_bytes) return;
  const bool vector = a.bytes == 2 || a.bytes == 4 || a.bytes == 8 || a.bytes == 16;
  const bool shared = find(now->shared, a.address, a.bytes) != nullptr;
  if (!shared && find(now->image, a.address, a.bytes) != nullptr) return;
  span* const array = shared ? nullptr : find(now->arrays, a.address, a.bytes);
  if (!shared && array == nullptr) out_of_bounds(f, a);
  if (vector && reinterpret_cast<std::uintptr_t>(a.address) % a.bytes != 0)
    fail("misaligned: " + describe(f, a) + " at " + hex(a.address) + site_of(a));
  trace(f, a, shared);
  if (shared) {
    check_shared(f, a);
  } else {
    check_waited(f, a, *array);
    check_array(f, a, *array);
  }
}

void begin_memory() {
  machine& m = *now;
  arena.resize(arena_bytes);
  shadows.resize(arena_bytes);
  std::memset(arena.data(), 0xff, arena_used);
  std::fill_n(shadows.begin(), arena_used, shadow{});
  m.shared.clear();
  m.shared_keys.clear();
  const auto address = reinterpret_cast<std::uintptr_t>(arena.data());
  const std::size_t first = -address % 1024;
  m.shared.push_back({arena.data() + first, m.asked->dynamic_shared, "dynamic shared memory"});
  arena_used = first + m.asked->dynamic_shared + static_gap;
}

void make_image(const void* function) {
  Dl_info info{};
  dladdr(function, &info);
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* base) {
        if (reinterpret_cast<void*>(object->dlpi_addr) != base) return 0;
        for (int i = 0; i < object->dlpi_phnum; ++i) {
          const auto& part = object->dlpi_phdr[i];
          if (part.p_type != PT_LOAD) continue;
          now->image.push_back({reinterpret_cast<const char*>(object->dlpi_addr + part.p_vaddr),
                                part.p_memsz, "constants"});
        }
        return 1;
      },
      info.dli_fbase);
}

// Where this library lies: addresses in messages, less this, are those of its file.
BP_EXPORT std::uint64_t bp_emu_base() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&bp_emu_base), &info);
  return reinterpret_cast<std::uint64_t>(info.dli_fbase);
}

extern "C" char* bp_emu_dynamic_shared() {
  return const_cast<char*>(now->shared.front().begin);
}

extern "C" char* bp_emu_static_shared(const void* key, unsigned bytes, const char* name) {
  machine& m = *now;
  for (std::size_t i = 0; i < m.shared_keys.size(); ++i)
    if (m.shared_keys[i] == key) return const_cast<char*>(m.shared[i + 1].begin);
  const auto base = reinterpret_cast<std::uintptr_t>(arena.data());
  const std::size_t at = (base + arena_used + 127) / 128 * 128 - base;
  if (at + bytes > arena_bytes) fail("shared memory: more than the emulator has");
  char* const begin = arena.data() + at;
  m.shared_keys.push_back(key);
  m.shared.push_back({begin, bytes, std::string("shared array ") + name});
  arena_used = at + bytes + static_gap;
  return begin;
}

extern "C" void bp_emu_read(void* to, const void* from, unsigned bytes) {
  check(*now->current,
        {static_cast<const char*>(from), bytes, access_kind::read, __builtin_return_address(0)});
  std::memcpy(to, from, bytes);
}

extern "C" void bp_emu_write(void* to, const void* from, unsigned bytes) {
  check(*now->current,
        {static_cast<const char*>(to), bytes, access_kind::write, __builtin_return_address(0)});
  std::memcpy(to, from, bytes);
}

extern "C" void bp_emu_read_as(unsigned lane, void* to, const void* from, unsigned bytes) {
  const fiber& f = now->fibers[now->current->linear / warp_lanes * warp_lanes + lane];
  check(f, {static_cast<const char*>(from), bytes, access_kind::read, __builtin_return_address(0)});
  std::memcpy(to, from, bytes);
}

extern "C" void bp_emu_atomic(const void* address, unsigned bytes) {
  check(*now->current, {static_cast<const char*>(address), bytes, access_kind::atomic,
                        __builtin_return_address(0)});
  note_atomic(address);
}

extern "C" void bp_emu_async_copy(void* to, const void* from, unsigned bytes, unsigned valid) {
  fiber& f = *now->current;
  const void* const site = __builtin_return_address(0);
  if (valid != 0) check(f, {static_cast<const char*>(from), valid, access_kind::read, site});
  check(f, {static_cast<const char*>(to), bytes, access_kind::write, site});
  if (find(now->shared, static_cast<const char*>(to), bytes) == nullptr)
    fail(name_of(f) + ": cp.async writes outside shared memory");
  shadow* const s = &shadows[static_cast<std::size_t>(static_cast<char*>(to) - arena.data())];
  for (unsigned i = 0; i < bytes; ++i) s[i].in_flight = static_cast<std::uint16_t>(f.linear + 1);
  f.copies.push_back({to, from, bytes, valid});
}

extern "C" void bp_emu_async_commit() {
  fiber& f = *now->current;
  std::size_t committed = 0;
  for (const std::size_t count : f.groups) committed += count;
  f.groups.push_back(f.copies.size() - committed);
}

extern "C" void bp_emu_async_wait(unsigned groups_left) {
  fiber& f = *now->current;
  while (f.groups.size() > groups_left) {
    for (std::size_t i = 0; i < f.groups.front(); ++i) {
      const async_copy_request& c = f.copies[i];
      std::memset(c.to, 0, c.bytes);
      std::memcpy(c.to, c.from, c.valid);
      shadow* const s = &shadows[static_cast<std::size_t>(static_cast<char*>(c.to) - arena.data())];
      const stamp mine{now->warps[f.linear / warp_lanes].epoch,
                       static_cast<std::uint16_t>(f.linear + 1)};
      for (unsigned k = 0; k < c.bytes; ++k) {
        s[k].in_flight = 0;
        s[k].written = mine;
      }
    }
    f.copies.erase(f.copies.begin(), f.copies.begin() + static_cast<long>(f.groups.front()));
    f.groups.erase(f.groups.begin());
  }
}

}  // namespace emu
