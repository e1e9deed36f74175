// Two-bit weights on the way into tiles of AMX. For ISA files: in an anonymous namespace.
#pragma once

#include "kernels/two_bit.hpp"
#include "kernels/x86_amx.hpp"

namespace bp {
namespace {

constexpr std::int64_t page = 4096;

// Codes 0, 1, 2 at bits `shift`, shift + 1 of every byte as int8 -1, 0, 1. Bit i of the result is
// the parity of byte 7 - i of the matrix and the code, inverted: bit 0 is set where the low bit of
// the code is not, the other bits where both are zero.
constexpr std::int64_t signs_of(int shift) {
  std::uint64_t rows = 0;
  for (int row = 0; row < 7; ++row) rows |= (std::uint64_t{3} << shift) << (8 * row);
  return static_cast<std::int64_t>(rows | (std::uint64_t{1} << shift) << 56);
}

template <int s>
inline void store_signs(__m512i bytes, std::int8_t* to) {
  constexpr int shift = native_i2_r4::shift(s);
  _mm512_store_si512(
      to, _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(signs_of(shift)), 0xff));
}

// 16 rows of W: four blocks of four rows, each one stream.
struct sixteen_rows {
  const std::uint8_t* fours[4];
};

// Rows n .. n + 15; where fewer exist, the first of them in place of the others.
inline sixteen_rows rows_from(const product_args& args, std::int64_t n, std::int64_t g) {
  sixteen_rows found;
  for (int i = 0; i < 4; ++i) {
    const std::int64_t row = n + 4 * i < args.N ? n + 4 * i : args.row_begin;
    found.fours[i] = native_i2_r4::group(args.w, args.K, row, g);
  }
  return found;
}

// 16 bytes at `at` of rows r, 4 + r, 8 + r, 12 + r.
inline __m512i quarter(const sixteen_rows& w, std::int64_t at) {
  const auto load = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(w.fours[i] + at));
  };
  __m512i found = _mm512_castsi128_si512(load(0));
  found = _mm512_inserti32x4(found, load(1), 1);
  found = _mm512_inserti32x4(found, load(2), 2);
  return _mm512_inserti32x4(found, load(3), 3);
}

// The rows of a panel on their way into its tiles, a group at a time. A group takes a page, and its
// tiles are written after those of the group before are read: a load waits for earlier stores to
// addresses with the same last twelve bits.
struct filling {
  sixteen_rows rows[2];
  std::int64_t ahead;    // 128 bytes hold a group of four rows: to what is unpacked next
  std::int8_t* to;       // tiles of a group: [2 of 64 columns][2 of 16 rows]
  __m512i dwords[2][8];  // dword i of the bytes of 16 rows: weights 4i .. 4i + 3 of each quarter

  // Half (0, 1) of the bytes of a group.
  //   rows, by quarters of a vector      a0 a1 a2 a3 | e0 .. | i0 .. | m0 ..    and so b, c, d
  //   unpack dwords                      a0 b0 a1 b1 | ..      c0 d0 c1 d1 | .. and so 2, 3
  //   unpack qwords                      a0 b0 c0 d0 | e0 f0 g0 h0 | ..         dword 0 of 16 rows
  template <int side, int half>
  inline __attribute__((always_inline)) void take_half() {
    const sixteen_rows& w = rows[side];
    const __m512i a = quarter(w, 16 * half), b = quarter(w, 16 * half + 32);
    const __m512i c = quarter(w, 16 * half + 64), d = quarter(w, 16 * half + 96);
    const __m512i ab01 = _mm512_unpacklo_epi32(a, b), ab23 = _mm512_unpackhi_epi32(a, b);
    const __m512i cd01 = _mm512_unpacklo_epi32(c, d), cd23 = _mm512_unpackhi_epi32(c, d);
    dwords[side][4 * half] = _mm512_unpacklo_epi64(ab01, cd01);
    dwords[side][4 * half + 1] = _mm512_unpackhi_epi64(ab01, cd01);
    dwords[side][4 * half + 2] = _mm512_unpacklo_epi64(ab23, cd23);
    dwords[side][4 * half + 3] = _mm512_unpackhi_epi64(ab23, cd23);
  }

  template <int side>
  inline __attribute__((always_inline)) void take() {
    take_half<side, 0>();
    take_half<side, 1>();
    for (auto& four : rows[side].fours) {
      _mm_prefetch(four + ahead, _MM_HINT_T1);
      _mm_prefetch(four + ahead + 64, _MM_HINT_T1);
      four += group_weights;
    }
  }

  // Weights 64 line .. 64 line + 63 of the group.
  template <int side, int line>
  inline __attribute__((always_inline)) void put() {
    std::int8_t* tile = to + (2 * line + side) * tile_bytes;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      store_signs<2 * line>(dwords[side][i], tile + i * tile_line);
      store_signs<2 * line + 1>(dwords[side][i], tile + (8 + i) * tile_line);
    }
  }
};

}  // namespace
}  // namespace bp
