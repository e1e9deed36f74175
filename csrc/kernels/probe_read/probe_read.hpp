// probe_read: how fast this host reads memory. Every variant computes the exclusive or of all
// 64-bit words, so that the reads can be checked and none can be left out.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Formats are read patterns, the best of which is the limit:
//   plain        one stream, hardware prefetch alone
//   ahead_2k     one stream, software prefetch 2 KiB ahead
//   ahead_4k     the same, 4 KiB ahead
//   two_streams  the two halves at once, 2 KiB ahead in each
//   nta          one stream, non-temporal prefetch 2 KiB ahead
// Contract: `bytes` is a multiple of 1024, `data` aligned to 64 bytes; prefetches may run past the
// end, reads do not. `*word` is written.
struct probe_read_args {
  const std::uint8_t* data;
  std::int64_t bytes;
  std::uint64_t* word;
};

inline constexpr std::int64_t probe_read_step = 1024;

// The exclusive or of all words, on `threads` threads, as one span. `bytes` is any multiple of
// probe_read_step.
std::uint64_t run_probe_read(const kernel_row& kernel, const std::uint8_t* data, std::int64_t bytes,
                             int threads);

}  // namespace bp
