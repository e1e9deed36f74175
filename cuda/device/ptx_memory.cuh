// Loads, stores, copies and what orders them.
#pragma once

#include "device/types.cuh"

// Shared memory. BP_DYNAMIC_SHARED(name): all that the launch asked for, as char*, aligned to 128
// bytes. BP_SHARED(type, name, count): an array of the block.
#ifdef BP_EMULATE
#define BP_DYNAMIC_SHARED(name) char* const name = emu::bp_emu_dynamic_shared()
#define BP_SHARED(type, name, count)          \
  static const char name##_key = 0;           \
  type* const name = reinterpret_cast<type*>( \
      emu::bp_emu_static_shared(&name##_key, sizeof(type) * (count), #name))
#else
#define BP_DYNAMIC_SHARED(name) extern __shared__ __align__(128) char name[]
#define BP_SHARED(type, name, count) __shared__ __align__(16) type name[count]
#endif

// 16 bytes that an earlier launch may have written, even one that still runs when this one begins.
BP_DEVICE uint4 load_16(const void* from) {
#ifdef BP_EMULATE
  uint4 v;
  emu::bp_emu_read(&v, from, 16);
  return v;
#else
  uint4 v;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from)
               : "memory");
  return v;
#endif
}

// 16 bytes that nobody writes, such as weights, and nobody reads again: they take no place in L1.
BP_DEVICE uint4 load_stream(const void* from) {
#if defined(BP_EMULATE) || __CUDA_ARCH__ < 800
  return load_16(from);
#else
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from));
  return v;
#endif
}

// A word that other blocks change with atomics: past L1.
BP_DEVICE s32 load_l2(const s32* from) {
#ifdef BP_EMULATE
  return *from;
#else
  s32 v;
  asm volatile("ld.global.cg.s32 %0, [%1];" : "=r"(v) : "l"(from) : "memory");
  return v;
#endif
}

// 16 bytes of shared memory, aligned to 16.
BP_DEVICE uint4 load_shared(const void* from) {
#ifdef BP_EMULATE
  uint4 v;
  emu::bp_emu_read(&v, from, 16);
  return v;
#else
  return *static_cast<const uint4*>(from);
#endif
}

BP_DEVICE void store_16(void* to, uint4 v) {
#ifdef BP_EMULATE
  emu::bp_emu_write(to, &v, 16);
#else
  *static_cast<uint4*>(to) = v;
#endif
}

// Barrier `id` (1 to 15) of `threads` threads of the block, whole warps of them.
#ifdef BP_EMULATE
BP_DEVICE void barrier_sync(unsigned id, unsigned threads, BP_EMU_HERE) {
  const emu::place at{"barrier_sync", file, line};
  emu::bp_emu_barrier(id, threads, &at);
}
#else
BP_DEVICE void barrier_sync(unsigned id, unsigned threads) {
  asm volatile("barrier.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
#endif

#ifndef BP_EMULATE
BP_DEVICE u32 shared_address(const void* p) {
  return static_cast<u32>(__cvta_generic_to_shared(p));
}
#endif

// 16 bytes from global to shared memory; zeros where `valid` is false, and then `from` is not read.
// They are there after copy_wait(), for other threads after a barrier behind it.
BP_DEVICE void copy_async(void* to, const void* from, bool valid) {
#ifdef BP_EMULATE
  emu::bp_emu_async_copy(to, from, 16, valid ? 16 : 0);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
#else
  store_16(to, valid ? load_16(from) : uint4{0, 0, 0, 0});
#endif
}

// Ends a group of copies of this thread.
BP_DEVICE void copy_commit() {
#ifdef BP_EMULATE
  emu::bp_emu_async_commit();
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Until at most `left` groups of this thread are not there yet.
template <int left>
BP_DEVICE void copy_wait() {
#ifdef BP_EMULATE
  emu::bp_emu_async_wait(left);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
#endif
}

// Four 8x8 matrices of 16-bit elements: lane 8 m + r names row r (16 bytes of shared memory) of
// matrix m; lane 4 g + t gets in d[m] the two elements 2 t, 2 t + 1 of row g:
//
//            bytes 0-3   4-7    8-11   12-15
//   row 0    lane 0      1      2      3
//   row g    lane 4g     4g+1   4g+2   4g+3
BP_DEVICE void load_matrices(u32 (&d)[4], const void* row) {
#ifdef BP_EMULATE
  struct part {
    const char* row;
    u32* d;
  } mine{static_cast<const char*>(row), d};
  const emu::place at{"ldmatrix", __builtin_FILE(), __builtin_LINE()};
  emu::bp_emu_meet(
      ~0u, &at, &mine,
      [](void** lanes, unsigned) {
        for (unsigned from = 0; from < 32; ++from) {
          u32 words[4];
          emu::bp_emu_read_as(from, words, static_cast<part*>(lanes[from])->row, 16);
          for (unsigned t = 0; t < 4; ++t)
            static_cast<part*>(lanes[from % 8 * 4 + t])->d[from / 8] = words[t];
        }
      },
      0);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// Until what the launches before this one wrote can be read (programmatic dependent launch).
BP_DEVICE void wait_for_earlier_launches() {
#if !defined(BP_EMULATE) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The next launch may begin what does not depend on this one.
BP_DEVICE void allow_next_launch() {
#if !defined(BP_EMULATE) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
