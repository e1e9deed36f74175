// How products of few tokens ask for weights ahead. For ISA files: everything is in an
// anonymous namespace.
#pragma once

#include "kernels/gemv/gemv.hpp"

namespace bp {
namespace {

// Asks for the line that stands `far` ahead in the second cache and the one `near` ahead in the
// first: the second alone waits too long for memory, the first alone has too few places to wait in.
// Written out, because GCC 12 would ask for all lines of a group at once, which keeps loads
// waiting.
struct distances {
  std::int64_t far, near;

  inline __attribute__((always_inline)) void ask(const std::uint8_t* w) const {
    asm volatile("prefetcht1 %0\n prefetcht0 %1" : : "m"(w[far]), "m"(w[near]));
  }
};

}  // namespace
}  // namespace bp
