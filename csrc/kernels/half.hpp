// float16 in kernels. In an anonymous namespace, so no copy of it can leak to another
// ISA.
#pragma once

#include <cstdint>

namespace bp {
namespace {

// Two bytes of float16, at any address. Without branches: a normal number is rescaled by 2^-112,
// which leaves infinity and NaN what their exponent made them; a subnormal one is built as
// 0.5 + m * 2^-24 and has 0.5 taken off, so that no float32 is subnormal on the way.
inline float half_to_float(const std::uint8_t* bytes) {
  const std::uint32_t word = (bytes[0] | static_cast<std::uint32_t>(bytes[1]) << 8) << 16;
  const std::uint32_t twice = word + word;
  const float normal = __builtin_bit_cast(float, (twice >> 4) + (0xe0u << 23)) * 0x1p-112f;
  const float subnormal = __builtin_bit_cast(float, (twice >> 17) | (126u << 23)) - 0.5f;
  const std::uint32_t magnitude =
      __builtin_bit_cast(std::uint32_t, twice < (1u << 27) ? subnormal : normal);
  return __builtin_bit_cast(float, (word & 0x80000000u) | magnitude);
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
