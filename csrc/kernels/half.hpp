// float16 in kernels. In an anonymous namespace, so no copy of it can leak to another
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

// A number that is not negative, rounded to float16 (half to even; 65520 and more to infinity) and
// taken back to float32: below 2^-14 to steps of 2^-24, above to 11 bits, by an addition that
// leaves no bits below the last one.
inline float rounded_to_half(float value) {
  if (value >= 65520.0f) return __builtin_inff();
  const std::uint32_t exponent = __builtin_bit_cast(std::uint32_t, value) & 0x7f800000u;
  const float power = exponent < 0x38800000u ? 0x1p-14f : __builtin_bit_cast(float, exponent);
  const float shift = power * 0x1p13f;  // its last bit weighs power * 2^-10
  return value + shift - shift;
}

}  // namespace
}  // namespace bp
