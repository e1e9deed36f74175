// What the emulator knows of a running block. The runtime alone includes this, never a kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "emulator/interface.hpp"

// What Python calls.
#define BP_EXPORT extern "C" __attribute__((visibility("default")))

namespace emu {

constexpr unsigned warp_lanes = 32;
constexpr std::size_t stack_bytes = 64 * 1024;
constexpr std::size_t static_gap = 256;  // between two arrays: an overrun meets neither

enum class state { ready, at_barrier, at_meeting, done };

struct async_copy_request {
  void* to;
  const void* from;
  unsigned bytes, valid;  // bytes beyond `valid` become zero
};

struct fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  unsigned linear = 0;
  index3 index{};
  state now = state::done;
  place at{};  // of what it waits for
  unsigned barrier = 0;
  unsigned mask = 0;
  void* mine = nullptr;  // its part in a meeting
  bool waited = false;   // for the launches before this one, or need not
  std::vector<async_copy_request> copies;
  std::vector<std::size_t> groups;  // copies in each committed group, oldest first
};

struct barrier {
  unsigned arrived = 0;
  place at{};
  unsigned expected = 0;
};

struct warp {
  unsigned exited = 0;  // lanes, as bits; lanes that never were count as exited
  std::uint32_t epoch = 1;
};

// An access: its thread, + 1, 0 for none, and the epoch of its warp.
struct stamp {
  std::uint32_t epoch = 0;
  std::uint16_t thread = 0;
};

// The last write to a byte of an array: by which block, + 1, and how many fences were before it.
struct written {
  std::uint32_t block = 0, fences = 0;
  stamp at;
};

// A span of memory that a kernel may touch.
struct span {
  const char* begin;
  std::size_t bytes;
  std::string name;
  bool only_read = false, early = false;
  // Of each byte the last write, and the block, + 1, that read it; empty until one does.
  std::vector<written> writers = {};
  std::vector<std::uint32_t> readers = {};
};

// What a thread had before it at its last fence: how many fences there were, and of each warp the
// epoch that was ordered before it.
struct past {
  std::uint32_t fences = 0;
  std::vector<std::uint32_t> known;
};

// An atomic of a thread: behind a fence of it (`before`), or before one.
struct meeting {
  const void* address;
  std::uint32_t block;
  stamp at;
  past before;
};

// The last accesses to a byte of shared memory.
struct shadow {
  stamp written;
  stamp read[3];                // two lanes of the warp that read last; the last of another warp
  std::uint16_t in_flight = 0;  // the thread whose cp.async has not been waited for
};

struct machine {
  const kernel* running = nullptr;
  const request* asked = nullptr;
  index3 grid{}, block{}, block_index{};
  unsigned threads = 0, live = 0;
  std::vector<fiber> fibers;
  std::vector<warp> warps;
  std::vector<std::uint32_t> known;  // [warps, warps]: what of v is ordered before w goes on
  barrier barriers[16];
  void* scheduler = nullptr;
  fiber* current = nullptr;
  bool combining = false;  // lanes' registers lie on their stacks: not an access of memory
  std::vector<span> arrays, image, shared;
  std::vector<const void*> shared_keys;
  std::uint32_t fences = 0;              // of all threads so far
  std::vector<past> pasts;               // of each thread of the block
  std::vector<meeting> released;         // of all blocks
  std::vector<meeting> taken, acquired;  // of the block: atomics, those with a fence behind them
  std::string error;
};

inline machine* now = nullptr;

[[noreturn]] void fail(const std::string& what);
std::string name_of(const fiber& f);
std::string name_of(const place& p);

extern "C" void bp_emu_switch(void** save, void* load);
void start_fiber(fiber& f);
void suspend();  // back to the scheduler, until it is ready again

void thread_exits();
void join(
    const std::vector<bool>& warps);    // all that these did is ordered before what they will do
void begin_memory();                    // of a block
void begin_visibility();                // likewise
void make_image(const void* function);  // spans of the library that holds it

// An access to memory, and the place in the machine code that makes it.
struct access {
  const char* address;
  std::size_t bytes;
  access_kind kind;
  const void* site;
};

void check(const fiber& f, const access& a);

std::uint32_t block_number();             // of the block that runs, + 1
stamp stamp_of(const fiber& f);           // of what it does now
bool ordered(const fiber& f, stamp s);    // whether that happened before `f` goes on
bool visible(const fiber& f, written w);  // to a thread of another block
void note_atomic(const void* address);    // of the thread that runs
void begin_trace(bool wanted);
void trace(const fiber& f, const access& a, bool shared);

}  // namespace emu
