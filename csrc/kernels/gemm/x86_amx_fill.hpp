// Two-bit weights on the way into tiles of AMX. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/two_bit.hpp"
#include "kernels/x86_amx.hpp"
#include "kernels/x86_avx512.hpp"

namespace bp {
namespace {

constexpr std::int64_t page = 4096;

// Codes at bits `shift`, shift + 1 of every byte, alone in it. Bit i of the result is the parity of
// byte 7 - i of the matrix and the byte. Codes 0, 1, 2 and not int8 -1, 0, 1, whose multiplication
// takes more power: this CPU runs it at a lower clock, a product of many tokens takes 7 % longer.
constexpr std::int64_t code_at(int shift) {
  return static_cast<std::int64_t>(std::uint64_t{1} << (56 + shift) | std::uint64_t{2}
                                                                          << (48 + shift));
}

template <int s>
inline void store_codes(__m512i bytes, std::uint8_t* to) {
  constexpr int shift = native_i2_r4::shift(s);
  _mm512_store_si512(to,
                     _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(code_at(shift)), 0));
}

// A group of four rows, eight dwords each: low and high four of them, by quarters of a vector.
//   a0 .. a7 b0 .. b7, c0 .. c7 d0 .. d7      a0 b0 c0 d0 | a1 .. | a2 .. | a3 ..      a4 .. | ..
struct two_halves {
  __m512i low, high;
};
inline two_halves dwords_of(const std::uint8_t* group) {
  const __m512i lows = _mm512_setr_epi32(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27);
  const __m512i ab = _mm512_loadu_si512(group), cd = _mm512_loadu_si512(group + 64);
  return {_mm512_permutex2var_epi32(ab, lows, cd),
          _mm512_permutex2var_epi32(ab, _mm512_add_epi32(lows, _mm512_set1_epi32(4)), cd)};
}

// What x86_amx_panels.hpp asks of the classes of rows below.
struct two_bit_rows {
  static constexpr std::int64_t unit = 1, most = 5, line_step = 2 * tile_bytes,
                                side_step = tile_bytes;
  static constexpr bool between = true;
};

// Sixteen rows of W, a group at a time: dword i of the bytes of all rows is weights 4i .. 4i + 3 of
// each quarter. group_bytes is the way to the next group, line(i) the i-th line from here on.
//
// native_i2_r4: four blocks of four rows, each a stream. Where fewer rows exist, the first of them
// stand in place of the others.
struct four_streams : two_bit_rows {
  static constexpr std::int64_t group_bytes = 128, streams = 4;
  const std::uint8_t* fours[4];

  static four_streams at(const product_args& args, std::int64_t n, std::int64_t g) {
    four_streams found;
    for (int i = 0; i < 4; ++i) {
      const std::int64_t row = n + 4 * i < args.N ? n + 4 * i : args.row_begin;
      found.fours[i] = native_i2_r4::group(args.w, args.K, row, g);
    }
    return found;
  }

  inline __attribute__((always_inline)) void take(__m512i* dwords) {
    // dwords[i]: dword i of rows 0-3 (a), 4-7 (b), 8-11, 12-15.
    const two_halves a = dwords_of(fours[0]), b = dwords_of(fours[1]);
    const two_halves c = dwords_of(fours[2]), d = dwords_of(fours[3]);
    side_by_side(a.low, b.low, c.low, d.low, dwords);
    side_by_side(a.high, b.high, c.high, d.high, dwords + 4);
    for (auto& four : fours) four += group_bytes;
  }

  const std::uint8_t* line(std::int64_t i) const {
    return fours[i / 2 % 4] + i / 8 * group_bytes + i % 2 * tile_line;
  }
};

// native_i2_r16: dword i of sixteen rows is a line.
struct one_stream : two_bit_rows {
  static constexpr std::int64_t group_bytes = 512, streams = 1;
  const std::uint8_t* lines;

  static one_stream at(const product_args& args, std::int64_t n, std::int64_t g) {
    return {{}, native_i2_r16::group(args.w, args.K, n < args.N ? n : args.row_begin, g)};
  }

  inline __attribute__((always_inline)) void take(__m512i* dwords) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) dwords[i] = _mm512_loadu_si512(lines + tile_line * i);
    lines += group_bytes;
  }

  const std::uint8_t* line(std::int64_t i) const { return lines + tile_line * i; }
};

// Lines of two times sixteen rows that are unpacked next, `ahead` of those from here on: asked for
// a few at a time all the while. All at once they take every place in which loads wait for the
// second cache, and 128 tokens over weights in memory took a quarter longer.
template <class Rows>
struct asking {
  Rows rows[2];
  std::int64_t ahead, each;
  std::int64_t asked = 0;

  inline __attribute__((always_inline)) void operator()() {
    for (const std::int64_t to = asked + each; asked < to; ++asked)
      asm volatile("prefetcht1 %0" ::"m"(rows[asked % 2].line(asked / 2)[ahead]));
  }
};

// The rows of a panel on their way into its tiles, a group at a time. A group takes a page, and its
// tiles are written after those of the group before are read: a load waits for earlier stores to
// addresses with the same last twelve bits.
template <class Rows>
struct filling {
  Rows rows[2];
  std::uint8_t* to;  // tiles of a group: [2 of 64 columns][2 of 16 rows]
  __m512i dwords[2][8];

  template <int side>
  inline __attribute__((always_inline)) void take() {
    rows[side].take(dwords[side]);
  }

  // Weights 64 line .. 64 line + 63 of the group.
  template <int side, int line>
  inline __attribute__((always_inline)) void put() {
    std::uint8_t* tile = to + (2 * line + side) * tile_bytes;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      store_codes<2 * line>(dwords[side][i], tile + i * tile_line);
      store_codes<2 * line + 1>(dwords[side][i], tile + (8 + i) * tile_line);
    }
  }
};

}  // namespace
}  // namespace bp
