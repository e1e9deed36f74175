// Clocks of a multiprocessor.
#pragma once

#include "device/types.cuh"

// Cycles of the multiprocessor that this thread runs on, since some moment; on the CPU: calls.
BP_DEVICE u64 multiprocessor_cycles() {
#ifdef BP_EMULATE
  static u64 calls = 0;
  return ++calls;
#else
  u64 now;
  asm volatile("mov.u64 %0, %%clock64;" : "=l"(now)::"memory");
  return now;
#endif
}

// The number of that multiprocessor; on the CPU every block has one of its own.
BP_DEVICE u32 multiprocessor() {
#ifdef BP_EMULATE
  return blockIdx.x;
#else
  u32 number;
  asm volatile("mov.u32 %0, %%smid;" : "=r"(number));
  return number;
#endif
}
