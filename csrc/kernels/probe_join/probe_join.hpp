// probe_join: what it costs to hand a job to the team of threads and to wait for its end.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract: adds one to *runs, which nobody else touches meanwhile.
struct probe_join_args {
  std::int64_t* runs;
};

// `jobs` jobs one after the other, each of as many chunks as a product has on `threads` threads,
// which do nothing else. Returns how many chunks ran: jobs * chunks_of(threads). One span.
std::int64_t run_probe_join(const kernel_row& kernel, std::int64_t jobs, int threads);

}  // namespace bp
