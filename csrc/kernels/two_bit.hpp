// Where the 2-bit formats keep their codes (0, 1, 2 for -1, 0, +1). All of them have groups of 128
// weights in 32 bytes whose byte p holds weights p, 32 + p, 64 + p, 96 + p of the group; they
// differ in the order of the four codes in a byte and in where a group stands.
//
//   i2_s            bits 7-6 5-4 3-2 1-0, rows of K / 4 bytes
//   native_i2_r4    the same bytes, group g of rows 4r .. 4r + 3 in one 128-byte line
//   native_i2_r16   the same bytes, dword i of group g of rows 16r .. 16r + 15 in a 64-byte line
//   tq2_0           bits 1-0 3-2 5-4 7-6, two groups and a float16 d in a block of 66 bytes
//
// For ISA files: everything is in an anonymous namespace, so no copy of it can leak to another ISA.
#pragma once

#include "kernels/gemv/gemv.hpp"
#include "kernels/half.hpp"

namespace bp {
namespace {

inline constexpr std::int64_t group_weights = 128;

// The 32 bytes of a group stand together.
struct whole_groups {
  static constexpr std::int64_t byte(int p) { return p; }
};

struct i2_s : whole_groups {
  static constexpr int shift(int s) { return 6 - 2 * s; }  // of weight 32 s + p in its byte
  static const std::uint8_t* group(const std::uint8_t* w, std::int64_t K, std::int64_t n,
                                   std::int64_t g) {
    return w + n * (K / 4) + g * 32;
  }
  static constexpr std::int64_t step(std::int64_t) { return 32; }  // from group g to g + 1
};

// Where a layout of our own was made from blocks with scales.
struct scales_beside {
  static constexpr std::int64_t block_weights = 256;
  static constexpr int shift(int s) { return 6 - 2 * s; }
  static float scale(const product_args& args, std::int64_t n, std::int64_t b) {
    if (args.beside == nullptr) return 1.0f;
    return args.beside[n * ((args.K + block_weights - 1) / block_weights) + b];
  }
};

struct native_i2_r4 : whole_groups, scales_beside {
  static const std::uint8_t* group(const std::uint8_t* w, std::int64_t K, std::int64_t n,
                                   std::int64_t g) {
    return w + n / 4 * K + g * 128 + n % 4 * 32;
  }
  static constexpr std::int64_t step(std::int64_t) { return 128; }
};

struct native_i2_r16 : scales_beside {
  // The line of dword i is at group + 64 i, with that of row n in its lane n % 16.
  static const std::uint8_t* group(const std::uint8_t* w, std::int64_t K, std::int64_t n,
                                   std::int64_t g) {
    return w + n / 16 * 4 * K + g * 512 + n % 16 * 4;
  }
  static constexpr std::int64_t byte(int p) { return p / 4 * 64 + p % 4; }  // of a group
};

struct tq2_0 : whole_groups {
  static constexpr int shift(int s) { return 2 * s; }
  static constexpr std::int64_t block_weights = 256, block_bytes = 66;
  static const std::uint8_t* group(const std::uint8_t* w, std::int64_t K, std::int64_t n,
                                   std::int64_t g) {
    return w + n * (K / block_weights) * block_bytes + g / 2 * block_bytes + g % 2 * 32;
  }
  static constexpr std::int64_t step(std::int64_t g) { return 32 + (g & 1) * 2; }
  static float scale(const product_args& args, std::int64_t n, std::int64_t b) {
    return half_to_float(group(args.w, args.K, n, 2 * b) + 64);
  }
};

}  // namespace
}  // namespace bp
