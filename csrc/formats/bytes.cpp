#include "formats/bytes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "core/status.hpp"
#include "formats/half.hpp"
#include "formats/tl1.hpp"
#include "formats/tl2.hpp"
#include "formats/tq1_0.hpp"
#include "formats/tq2_0.hpp"

namespace bp {
namespace {

bool two_bits_invalid(std::uint8_t byte) {
  return (byte & byte >> 1 & 0x55) != 0;
}

template <int largest>
bool nibbles_invalid(std::uint8_t byte) {
  return (byte >> 4) > largest || (byte & 15) > largest;
}

// The first of data[begin .. end) that is `bad`: whole pieces at once, which the compiler turns
// into vectors, then byte by byte in the piece that has one.
template <class Bad>
std::int64_t find(const std::uint8_t* data, std::int64_t begin, std::int64_t end, Bad bad) {
  constexpr std::int64_t piece = 4096;
  for (std::int64_t at = begin; at < end; at += piece) {
    const std::int64_t stop = std::min(at + piece, end);
    std::uint8_t any = 0;
    for (std::int64_t i = at; i < stop; ++i) any |= static_cast<std::uint8_t>(bad(data[i]));
    for (std::int64_t i = at; any != 0 && i < stop; ++i)
      if (bad(data[i])) return i;
  }
  return -1;
}

int block_bytes(const layout& w) {
  return w.format->name == std::string_view("tq1_0") ? tq1_0::block_bytes : tq2_0::block_bytes;
}

}  // namespace

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

bool has_block_scales(const format_info& format) {
  return !format.native && format.trailer == 0;
}

std::int64_t first_invalid(const layout& w, const std::uint8_t* data) {
  const std::string_view name = w.format->name;
  const std::int64_t codes = code_bytes(w);
  if (name == "tq1_0") return -1;
  if (name == "tl1") return find(data, 0, codes, nibbles_invalid<tl1::largest_index>);
  if (name == "tl2") {
    const std::int64_t signs = tl2::signs_offset(w.tile, w.N, w.K_padded);
    const std::int64_t pairs = tl2::pairs_offset(w.tile, w.N, w.K_padded);
    const std::int64_t at = find(data, 0, signs, nibbles_invalid<tl2::largest_index>);
    return at >= 0 ? at : find(data, pairs, codes, nibbles_invalid<tl1::largest_index>);
  }
  if (name != "tq2_0") return find(data, 0, codes, two_bits_invalid);
  for (std::int64_t block = 0; block < codes; block += tq2_0::block_bytes) {
    const std::int64_t at = find(data, block, block + tq2_0::scale_at, two_bits_invalid);
    if (at >= 0) return at;
  }
  return -1;
}

float read_scale(const layout& w, const std::uint8_t* data) {
  float scale;
  std::memcpy(&scale, data + scale_offset(w), sizeof scale);
  return scale;
}

void write_scale(const layout& w, std::uint8_t* data, float scale) {
  std::memcpy(data + scale_offset(w), &scale, sizeof scale);
}

void read_block_scales(const layout& w, const std::uint8_t* data, float* scales) {
  const int bytes = block_bytes(w);
  const std::int64_t blocks = w.N * (w.K_padded / 256);
  for (std::int64_t i = 0; i < blocks; ++i) {
    std::uint16_t d;  // the last two bytes of a block
    std::memcpy(&d, data + (i + 1) * bytes - 2, sizeof d);
    scales[i] = half_to_float(d);
  }
}

float stored_scale(const format_info& format, double scale) {
  const auto single = static_cast<float>(scale);
  const auto refuse = [&](const std::string& accepted) {
    fail(error_kind::format,
         "scale: found " + number_text(scale) + ", " + format.name + " accepts " + accepted);
  };
  if (!std::isfinite(single)) refuse("a finite float32");
  if (!has_block_scales(format)) return single;
  const float half = half_to_float(float_to_half(single));
  if (!std::isfinite(half)) refuse("a float16: at most 65504");
  if (half == 0 && single != 0) refuse("a float16: 0, or at least 2^-24");
  return half;
}

}  // namespace bp
