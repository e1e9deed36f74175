// A block of tq1_0: 256 weights in 54 bytes, each byte ceil(256 * v / 243) of up to five trits v.
// Trits are strided: trit n of byte m of a run of b bytes is weight m + b * n of that run.
//
//   bytes  0-31   five trits  weights   0-159
//   bytes 32-47   five trits  weights 160-239
//   bytes 48-51   four trits  weights 240-255
//   bytes 52-53   float16 d
//
// For ISA files: everything is in an anonymous namespace, so no copy of it can leak to another ISA.
#pragma once

#include <cstdint>

namespace bp {
namespace {

struct tq1_0 {
  static constexpr std::int64_t block_weights = 256, block_bytes = 54, scale_offset = 52;
};

}  // namespace
}  // namespace bp
