// float16 to float32 in kernels. In an anonymous namespace, so no copy of it can leak to another
// ISA.
#pragma once

#include <cstdint>

namespace bp {
namespace {

// The scale of a block: two bytes of float16, at any address.
inline float half_to_float(const std::uint8_t* bytes) {
  const std::uint32_t half = bytes[0] | static_cast<std::uint32_t>(bytes[1]) << 8;
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 31u;
  const std::uint32_t mantissa = half & 1023u;
  std::uint32_t bits = 0;
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  bits = exponent == 31 ? 0x7f800000u | mantissa << 13 : (exponent + 112) << 23 | mantissa << 13;
  return __builtin_bit_cast(float, sign | bits);
}

}  // namespace
}  // namespace bp
