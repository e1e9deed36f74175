// probe_mac: how many int8 multiply-adds a second an instruction set can do, with all operands in
// registers: the limit of every product kernel.
#pragma once

#include <cstdint>

#include "core/kernel.hpp"

namespace bp {

// Contract: does exactly `macs` multiply-adds of 1 * 1 (`macs` is a multiple of probe_mac_step) in
// independent chains that the compiler cannot fold, and writes their sum modulo 2^16, which is
// `macs` modulo 2^16.
struct probe_mac_args {
  std::int64_t macs;
  std::uint16_t* sum;
};

inline constexpr std::int64_t probe_mac_step = 384;

// The sum of `threads` equal parts of `macs` (a multiple of threads * probe_mac_step), one span.
std::uint16_t run_probe_mac(const kernel_row& kernel, std::int64_t macs, int threads);

}  // namespace bp
