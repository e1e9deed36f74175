// What packed bytes hold beside codes: scales, and codes that mean nothing.
#pragma once

#include <cstdint>
#include <string>

#include "formats/layout.hpp"

namespace bp {

// Offset of the first byte with a code the format does not admit, -1 where there is none: code 3 of
// i2_s, tq2_0 and native layouts; a pair index above 8, a triple index above 13. Padding is checked
// like the rest, though weights beyond K are never used. Every byte of tq1_0 is admitted.
std::int64_t first_invalid(const layout& w, const std::uint8_t* data);

// The float32 scale of formats that have one (scale_offset() >= 0).
float read_scale(const layout& w, const std::uint8_t* data);
void write_scale(const layout& w, std::uint8_t* data, float scale);

// tq1_0, tq2_0: the scale of every block, float32 [N, K_padded / 256].
void read_block_scales(const layout& w, const std::uint8_t* data, float* scales);

// `scale` as the format keeps it: float32, or float16 for tq1_0 and tq2_0. Raises
// error_kind::format where it is not finite, or too large or too small for float16.
float stored_scale(const format_info& format, double scale);

std::string number_text(double value);  // for messages: "1e-09"

// The scales are in the blocks.
bool has_block_scales(const format_info& format);

}  // namespace bp
