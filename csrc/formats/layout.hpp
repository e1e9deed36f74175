// The packed formats: one list of names and sizes, and the one place that says which shapes and
// tilings a format admits. W is N x K (N outputs, K inputs, K contiguous), values -1, 0, 1.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/tiling.hpp"

namespace bp {

// int32 sums of int8 activations hold codes 0, 1, 2 up to this K: 2 * 128 * 2^22 = 2^30.
inline constexpr std::int64_t largest_columns = std::int64_t{1} << 22;
inline constexpr std::int64_t largest_weights = std::int64_t{1} << 46;

struct format_info {
  const char* name;
  int ggml_type;           // -1: none
  double bits_per_weight;  // codes and block scales
  int group;               // K is padded to a multiple of this
  int row_step;            // 0: the strip of the tiling
  int trailer;             // bytes after the codes, the float32 scale first
  bool native;             // made by prepare(), in no file
};

struct layout {
  const format_info* format;
  std::int64_t N, K;      // true shape
  std::int64_t K_padded;  // K rounded up to the group; weights beyond K are zero
  tiling tile;            // tl1, tl2; all zero elsewhere
};

std::span<const format_info> formats();

// The format of that name; an unknown one raises error_kind::format listing the names.
const format_info& find_format(std::string_view name);

// Validates shape and tiling. For tl1 and tl2 an all-zero tile asks for one: the largest BM <= 320
// that divides N, bm = 32, and BK = 96 (tl2) or the largest of 256, 128, 64, 32 that divides K
// (tl1). Raises error_kind::shape (shapes) or error_kind::format (names, tilings), naming the rule.
layout make_layout(std::string_view format, std::int64_t N, std::int64_t K, tiling tile = {});

std::int64_t code_bytes(const layout& w);    // bytes that hold codes (tq1_0, tq2_0: and scales)
std::int64_t scale_offset(const layout& w);  // place of the float32 scale; -1 where there is none
std::int64_t packed_bytes(const layout& w);  // all bytes, scale and padding included
std::int64_t row_step(const layout& w);      // rows are packed in units of this many

}  // namespace bp
