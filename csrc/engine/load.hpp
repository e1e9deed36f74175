// Weights from a file into memory: read by all threads, ternary ones put into another layout on
// the way. Nothing is mapped, so a file that shrinks gives an error.
#pragma once

#include <cstdint>

#include "formats/layout.hpp"

namespace bp {

// Bytes [offset, offset + bytes) of an open file. error_kind::model where they cannot be read.
void read_file(int file, std::int64_t offset, std::int64_t bytes, std::uint8_t* to, int threads);

// The weights `from`, which stand at `offset` of a file, as `to` (a layout of the same N and K, its
// scales left out) at `data`: packed_bytes(to) bytes. Returns the scale of formats that have one;
// `block_scales`, float32 [N, K_padded / 256] of `from`, is written for those that do not.
// error_kind::model for codes that are none and scales that are not finite, with their place in the
// file.
float load_native(int file, std::int64_t offset, const layout& from, const layout& to,
                  std::uint8_t* data, float* block_scales, int threads);

}  // namespace bp
