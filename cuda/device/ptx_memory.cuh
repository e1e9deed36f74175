// Loads, stores, copies and what orders them.
#pragma once

#include "device/types.cuh"

// Shared memory. BP_DYNAMIC_SHARED(name): all that the launch asked for, as char*, aligned to 1024
// bytes. BP_SHARED(type, name, count): an array of the block.
#ifdef BP_EMULATE
#define BP_DYNAMIC_SHARED(name) char* const name = emu::bp_emu_dynamic_shared()
#define BP_SHARED(type, name, count)          \
  static const char name##_key = 0;           \
  type* const name = reinterpret_cast<type*>( \
      emu::bp_emu_static_shared(&name##_key, sizeof(type) * (count), #name))
#else
#define BP_DYNAMIC_SHARED(name) extern __shared__ __align__(1024) char name[]
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
// Not by .nc: such loads, which wait for nothing, ptxas puts behind wait_for_earlier_launches().
BP_DEVICE uint4 load_stream(const void* from) {
#if defined(BP_EMULATE) || __CUDA_ARCH__ < 800
  return load_16(from);
#else
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
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

// 8 bytes of any memory, aligned to 8.
BP_DEVICE uint2 load_8(const void* from) {
#ifdef BP_EMULATE
  uint2 v;
  emu::bp_emu_read(&v, from, 8);
  return v;
#else
  return *static_cast<const uint2*>(from);
#endif
}

BP_DEVICE void store_8(void* to, uint2 v) {
#ifdef BP_EMULATE
  emu::bp_emu_write(to, &v, 8);
#else
  *static_cast<uint2*>(to) = v;
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

// The first `bytes` (0 to 16, even) of 16 from global to shared memory, zeros behind them; no more
// than these are read. They are there after copy_wait(), for other threads after a barrier behind
// it. Both addresses are aligned to 16.
BP_DEVICE void copy_async(void* to, const void* from, u32 bytes) {
#ifdef BP_EMULATE
  emu::bp_emu_async_copy(to, from, 16, bytes);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(bytes)
               : "memory");
#else
  uint4 v = {0, 0, 0, 0};
  if (bytes == 16) {
    v = load_16(from);
  } else {
    u64 low = 0, high = 0;
#pragma unroll 1
    for (u32 i = bytes / 2; i-- > 0;) {
      high = high << 16 | low >> 48;
      low = low << 16 | static_cast<const u16*>(from)[i];
    }
    v = {static_cast<u32>(low), static_cast<u32>(low >> 32), static_cast<u32>(high),
         static_cast<u32>(high >> 32)};
  }
  store_16(to, v);
#endif
}

// All 16 bytes, or zeros where `valid` is false, and then `from` is not read.
BP_DEVICE void copy_async(void* to, const void* from, bool valid) {
  copy_async(to, from, valid ? 16u : 0u);
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

#ifdef BP_EMULATE
namespace emu {

struct matrix_part {  // of a lane
  const char* row;
  u32* d;
};

// Lane 8 m + r names row r of matrix m. Lane 4 g + t gets from each matrix the elements (g, 2 t),
// (g, 2 t + 1), or (2 t, g), (2 t + 1, g) where `transposed`.
template <bool transposed>
inline void hand_out_matrices(void** lanes, unsigned) {
  u16 elements[4][8][8];
  for (unsigned lane = 0; lane < 32; ++lane)
    bp_emu_read_as(lane, elements[lane / 8][lane % 8], static_cast<matrix_part*>(lanes[lane])->row,
                   16);
  for (unsigned lane = 0; lane < 32; ++lane) {
    const unsigned g = lane / 4, e = lane % 4 * 2;
    for (unsigned m = 0; m < 4; ++m) {
      const u32 low = transposed ? elements[m][e][g] : elements[m][g][e];
      const u32 high = transposed ? elements[m][e + 1][g] : elements[m][g][e + 1];
      static_cast<matrix_part*>(lanes[lane])->d[m] = low | high << 16;
    }
  }
}

inline void meet_for_matrices(u32* d, const void* row, void (*combine)(void**, unsigned)) {
  matrix_part mine{static_cast<const char*>(row), d};
  const place at{"ldmatrix", __FILE__, __LINE__};
  bp_emu_meet(~0u, &at, &mine, combine, 0);
}

}  // namespace emu
#endif

// Four 8x8 matrices of 16-bit elements: lane 8 m + r names row r (16 bytes of shared memory) of
// matrix m; lane 4 g + t gets in d[m] the two elements 2 t, 2 t + 1 of row g:
//
//            bytes 0-3   4-7    8-11   12-15
//   row 0    lane 0      1      2      3
//   row g    lane 4g     4g+1   4g+2   4g+3
BP_DEVICE void load_matrices(u32 (&d)[4], const void* row) {
#ifdef BP_EMULATE
  emu::meet_for_matrices(d, row, emu::hand_out_matrices<false>);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// The same of the matrices' transposes: lane 4 g + t gets the elements g of rows 2 t, 2 t + 1.
BP_DEVICE void load_matrices_transposed(u32 (&d)[4], const void* row) {
#ifdef BP_EMULATE
  emu::meet_for_matrices(d, row, emu::hand_out_matrices<true>);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}

// Until what the launches before this one wrote can be read (programmatic dependent launch).
BP_DEVICE void wait_for_earlier_launches() {
#ifdef BP_EMULATE
  emu::bp_emu_wait_for_launches();
#elif __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The next launch may begin what does not depend on this one.
BP_DEVICE void allow_next_launch() {
#if !defined(BP_EMULATE) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
