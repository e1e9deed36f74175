// The formats of embeddings and LM heads in kernels: how the bytes of a block become values. In an
// anonymous namespace, so no copy of it can leak to another ISA.
//
// dense_<format>: `block` weights in `bytes` bytes.
//   float formats   value(p) is the weight
//   others          codes(p, q) gives the integer of every weight; scales and offsets stand beside
#pragma once

#include <cstdint>

#include "kernels/half.hpp"

namespace bp {
namespace {

struct dense_f32 {
  static constexpr int block = 1, bytes = 4;
  static float value(const std::uint8_t* p) {
    float value;
    __builtin_memcpy(&value, p, sizeof value);
    return value;
  }
};

struct dense_f16 {
  static constexpr int block = 1, bytes = 2;
  static float value(const std::uint8_t* p) { return half_to_float(p); }
};

struct dense_bf16 {
  static constexpr int block = 1, bytes = 2;
  static float value(const std::uint8_t* p) {
    const std::uint32_t bits = p[0] | static_cast<std::uint32_t>(p[1]) << 8;
    return __builtin_bit_cast(float, bits << 16);
  }
};

// d float16, then 32 int8; a weight is d * q.
struct dense_q8_0 {
  static constexpr int block = 32, bytes = 34;
  static float scale(const std::uint8_t* p) { return half_to_float(p); }
  static void codes(const std::uint8_t* p, std::int8_t* q) { __builtin_memcpy(q, p + 2, block); }
};

// d float16, then 16 bytes: byte j holds weight j in its low and weight 16 + j in its high nibble;
// a weight is d * (nibble - 8).
struct dense_q4_0 {
  static constexpr int block = 32, bytes = 18;
  static float scale(const std::uint8_t* p) { return half_to_float(p); }
  static void codes(const std::uint8_t* p, std::int8_t* q) {
    for (int j = 0; j < 16; ++j) {
      q[j] = static_cast<std::int8_t>((p[2 + j] & 15) - 8);
      q[16 + j] = static_cast<std::int8_t>((p[2 + j] >> 4) - 8);
    }
  }
};

// Two runs of 128 weights. Low four bits: 64 bytes a run, byte l (0..63) holds those of weight l in
// its low and of weight 64 + l in its high nibble. High two bits: 32 bytes a run, bits 2i, 2i + 1
// of byte l (0..31) belong to weight 32 i + l. Then sc, one int8 for each 16 weights, and d
// float16; a weight is d * sc * (six bits - 32).
struct dense_q6_k {
  static constexpr int block = 256, bytes = 210, high_at = 128, scales_at = 192, scale_at = 208;
  static float scale(const std::uint8_t* p) { return half_to_float(p + scale_at); }
  static void codes(const std::uint8_t* p, std::int8_t* q) {
    for (int run = 0; run < 2; ++run, p += 64, q += 128) {
      const std::uint8_t* top = p + high_at - 32 * run;
      for (int l = 0; l < 32; ++l) {
        q[l] = static_cast<std::int8_t>((p[l] & 15) + (top[l] & 3) * 16 - 32);
        q[32 + l] = static_cast<std::int8_t>((p[32 + l] & 15) + (top[l] >> 2 & 3) * 16 - 32);
        q[64 + l] = static_cast<std::int8_t>((p[l] >> 4) + (top[l] >> 4 & 3) * 16 - 32);
        q[96 + l] = static_cast<std::int8_t>((p[32 + l] >> 4) + (top[l] >> 6) * 16 - 32);
      }
    }
  }
  static int run_scale(const std::uint8_t* p, int run) {
    return static_cast<std::int8_t>(p[scales_at + run]);
  }
};

// d and dmin, float16; 12 bytes of sc and m, six bits each for each 32 weights; then 32 bytes for
// every 64 weights: byte l holds weight l in its low and weight 32 + l in its high nibble; a weight
// is d * sc * nibble - dmin * m. Of the 12 bytes, 0-3 hold sc 0-3 and 4-7 m 0-3 in their low six
// bits; 8-11 hold the low nibbles of sc 4-7 (bits 0-3) and m 4-7 (bits 4-7), whose upper two bits
// are those left of bytes 0-3 and 4-7.
struct dense_q4_k {
  static constexpr int block = 256, bytes = 144, packed_at = 4, codes_at = 16;
  static float scale(const std::uint8_t* p) { return half_to_float(p); }
  static float min_scale(const std::uint8_t* p) { return half_to_float(p + 2); }
  static void codes(const std::uint8_t* p, std::int8_t* q) {
    for (int run = 0; run < 4; ++run, q += 64) {
      const std::uint8_t* byte = p + codes_at + 32 * run;
      for (int l = 0; l < 32; ++l) {
        q[l] = static_cast<std::int8_t>(byte[l] & 15);
        q[32 + l] = static_cast<std::int8_t>(byte[l] >> 4);
      }
    }
  }
  static int run_scale(const std::uint8_t* p, int run) {
    const std::uint8_t* s = p + packed_at;
    return run < 4 ? s[run] & 63 : (s[run + 4] & 15) | s[run - 4] >> 6 << 4;
  }
  static int run_min(const std::uint8_t* p, int run) {
    const std::uint8_t* s = p + packed_at;
    return run < 4 ? s[run + 4] & 63 : s[run + 4] >> 4 | s[run] >> 6 << 4;
  }
  // sc and m of the eight runs, a byte each, in order from the lowest byte up.
  struct run_bytes {
    std::uint64_t scale, min;
  };
  static run_bytes unpack(const std::uint8_t* p) {
    std::uint32_t s, m, upper;
    __builtin_memcpy(&s, p + packed_at, sizeof s);
    __builtin_memcpy(&m, p + packed_at + 4, sizeof m);
    __builtin_memcpy(&upper, p + packed_at + 8, sizeof upper);
    const std::uint64_t s_high = (upper & 0x0f0f0f0fu) | (s >> 2 & 0x30303030u);
    const std::uint64_t m_high = (upper >> 4 & 0x0f0f0f0fu) | (m >> 2 & 0x30303030u);
    return {(s & 0x3f3f3f3fu) | s_high << 32, (m & 0x3f3f3f3fu) | m_high << 32};
  }
};

}  // namespace
}  // namespace bp
