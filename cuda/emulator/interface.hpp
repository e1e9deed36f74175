// Between kernels that run on the CPU and the runtime that runs them.
#pragma once

namespace emu {

struct index3 {
  unsigned x, y, z;
};

struct place {
  const char* what;
  const char* file;
  int line;
};

// A parameter: 'p' a pointer (and the bytes of what it points to), 'c' one to what it only reads,
// 'i' a signed, 'u' an unsigned integer, 'f' a float, with their bytes; 0 bytes end the list.
struct parameter {
  char kind;
  int bytes;
};

struct kernel {
  void (*invoke)(void** arguments);
  const void* function;
  const parameter* parameters;
};

struct array {
  char* begin;
  unsigned long long bytes;
  int argument, only_read;
  int early;  // whether a launch that overlaps may read it before it waits
};

struct request {
  unsigned grid[3], block[3];
  unsigned dynamic_shared;
  int schedule;  // of schedule in schedule.cpp
  unsigned long long seed;
  int traced;
  int overlaps;  // with the launch before: its results are there once a thread has waited
  int array_count;
  const array* arrays;
  void** arguments;
};

enum class access_kind { read, write, atomic };

// Threads and where they are.
extern "C" {
index3 bp_emu_thread();
index3 bp_emu_block();
index3 bp_emu_block_size();
index3 bp_emu_grid_size();
unsigned bp_emu_lane();

// Barrier `id` of the block; `count` threads, 0: all.
void bp_emu_barrier(unsigned id, unsigned count, const emu::place* at);

// The lanes of `mask` meet here: the last to come calls `combine` with what each handed in (null
// for lanes outside), then all go on. Orders memory where `orders`.
void bp_emu_meet(unsigned mask, const emu::place* at, void* mine,
                 void (*combine)(void** lanes, unsigned mask), int orders);

// Memory, checked and traced as accesses of the calling thread, or of one of its warp.
void bp_emu_read(void* to, const void* from, unsigned bytes);
void bp_emu_write(void* to, const void* from, unsigned bytes);
void bp_emu_read_as(unsigned lane, void* to, const void* from, unsigned bytes);
void bp_emu_atomic(const void* address, unsigned bytes);
void bp_emu_fence();
char* bp_emu_dynamic_shared();
char* bp_emu_static_shared(const void* key, unsigned bytes, const char* name);

// What launches before this one wrote can be read by this thread.
void bp_emu_wait_for_launches();

// cp.async: what is asked for arrives when it is waited for, never before.
void bp_emu_async_copy(void* to, const void* from, unsigned bytes, unsigned valid);
void bp_emu_async_commit();
void bp_emu_async_wait(unsigned groups_left);

[[noreturn]] void bp_emu_fail(const char* what);
}

}  // namespace emu
