// The clocks of all multiprocessors, read between two other launches.
#include "device/ptx_clock.cuh"

// cycles[p] = the cycle counter of multiprocessor p, of each that a block ran on; the others stay.
// Differences of one multiprocessor mean something, not those between two. Grid: as many blocks as
// multiprocessors, which an idle GPU spreads over them.
__global__ void __launch_bounds__(32) clock_stamp(u64* cycles,  // [count]
                                                  int count) {  // of multiprocessors
  const u32 number = multiprocessor();
  if (threadIdx.x == 0 && number < static_cast<u32>(count))
    cycles[number] = multiprocessor_cycles();
}
