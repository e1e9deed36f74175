// The code tables of the nine decoders; a value is table[code] * scale in float32. Sources: as in
// block_quantize/codecs.hpp; kernel_* are the tables that their encoders measure distances to.
#pragma once

#include <cstdint>

namespace bp {
namespace {

struct decoder {
  const float* table;
  bool bytes;         // one code a byte, larger ones than the last entry read as the last
  bool checks_scale;  // a scale that is not finite decodes to 0
};

constexpr float levels[4] = {-2.0f, -1.0f, 0.0f, 1.0f};
constexpr float signs[4] = {0.0f, 1.0f, 0.0f, -1.0f};
constexpr float thirds[4] = {-1.0f, -0.33f, 0.33f, 1.0f};
constexpr float wide[4] = {-1.2f, -0.4f, 0.4f, 1.2f};
constexpr float sixteenths[16] = {-1.0f, -0.8667f, -0.7333f, -0.6f, -0.4667f, -0.3333f,
                                  -0.2f, -0.0667f, 0.0667f,  0.2f,  0.3333f,  0.4667f,
                                  0.6f,  0.7333f,  0.8667f,  1.0f};

constexpr decoder quant_i2s_decoder{levels, false, true};
constexpr decoder quant_tl1_decoder{levels, false, false};
constexpr decoder quant_tl2_decoder{levels, false, true};
constexpr decoder device_i2s_decoder{signs, false, false};
constexpr decoder device_tl1_decoder{sixteenths, true, false};
constexpr decoder device_tl2_decoder{thirds, false, false};
constexpr decoder kernel_i2s_decoder{signs, false, false};
constexpr decoder kernel_tl1_decoder{thirds, false, false};
constexpr decoder kernel_tl2_decoder{wide, false, false};

inline bool decodes_to_zero(const decoder& codec, float scale) {
  return codec.checks_scale && !(__builtin_fabsf(scale) <= __FLT_MAX__);
}

inline float decode(const decoder& codec, const std::uint8_t* data, std::int64_t i, float scale) {
  if (decodes_to_zero(codec, scale)) return 0.0f;
  if (codec.bytes) return codec.table[data[i] < 15 ? data[i] : 15] * scale;
  return codec.table[data[i / 4] >> (2 * (i % 4)) & 3] * scale;
}

}  // namespace
}  // namespace bp
