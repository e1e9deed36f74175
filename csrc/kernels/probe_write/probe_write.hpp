// probe_write: how fast this host writes memory, the limit of kernels that write more than they
// read. Every variant fills memory with one 64-bit word.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Formats are write patterns, the best of which is the limit:
//   plain   ordinary stores, which read each line first
//   stream  non-temporal stores past the caches
// Contract: `bytes` is a multiple of 1024, `data` aligned to 64 bytes; every byte of `data` is
// written, nothing else.
struct probe_write_args {
  std::uint8_t* data;
  std::int64_t bytes;
  std::uint64_t word;
};

inline constexpr std::int64_t probe_write_step = 1024;

// Fills `bytes` (a multiple of probe_write_step) at `data` on `threads` threads, as one span.
void run_probe_write(const kernel_row& kernel, std::uint8_t* data, std::int64_t bytes,
                     std::uint64_t word, int threads);

}  // namespace bp
