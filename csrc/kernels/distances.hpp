// How far ahead a stream of weights is asked for: in the second cache and, nearer, in the first.
// The second alone waits too long for memory, the first alone has too few places to wait in.
#pragma once

#include <cstdint>

namespace bp {

struct distances {
  std::int64_t far, near;  // bytes

  // Asks for one line each. Written out for x86, because GCC 12 would ask for the lines of a whole
  // loop at once, which keeps loads waiting. What is asked for may pass the end of the weights.
  inline __attribute__((always_inline)) void ask(const std::uint8_t* w) const {
#if defined(__x86_64__)
    asm volatile("prefetcht1 %0\n prefetcht0 %1" : : "m"(w[far]), "m"(w[near]));
#else
    __builtin_prefetch(w + far, 0, 2);
    __builtin_prefetch(w + near, 0, 3);
#endif
  }
};

}  // namespace bp
