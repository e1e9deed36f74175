// probe_join: what it costs to hand a job to the team of threads and to wait for its end.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Steps of a job: some microseconds, so that every thread has its chunks to do.
constexpr std::int64_t probe_join_steps = 16 * 256;

// Contract: so many dependent steps in registers, then adds them to *made, which nobody else
// touches meanwhile.
struct probe_join_args {
  std::int64_t* made;
  std::int64_t steps;
};

// `jobs` jobs one after the other, each of probe_join_steps in as many chunks as a product has on
// `threads` threads: what a job takes beyond its share of the time of one thread is the cost of
// handing it out and of waiting for its end. Returns the steps made: jobs * probe_join_steps. One
// span.
std::int64_t run_probe_join(const kernel_row& kernel, std::int64_t jobs, int threads);

}  // namespace bp
