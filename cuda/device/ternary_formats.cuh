// What a piece of a matrix is in memory, format by format: a warp loads it into a tile, or stores
// it. csrc/formats has the pictures. Loading leaves out what lies beyond the padded matrix, storing
// writes all bytes of codes and no scales. `columns` is K as the format pads it.
#pragma once

#include "device/ternary_tile.cuh"

// frag16x32: 16 bytes of a lane are 16 quads of rows g and g + 8.
struct frag16x32 {
  BP_DEVICE static int columns(int K) { return padded(K); }

  // Runs over the piece: each(16 bytes in memory, quad 0 of row g of the lane).
  template <class Each>
  BP_DEVICE static void walk(const piece& p, int lane, u8* tile, Each each) {
    const int steps = padded(p.K) / step_columns;
#pragma unroll 1
    for (int i = 0; i < 6; ++i) {
      const int group = p.n / 16 + i / 3, step = p.k / step_columns + i % 3;
      if (group * 16 >= p.N || step >= steps) continue;
      each((static_cast<u64>(group) * steps + step) * warp_lanes + lane,
           tile + (i / 3 * 16 + lane / 4) * tile_stride + i % 3 * 32 + lane % 4);
    }
  }
  BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {
    walk(p, lane, tile, [&](u64 at, u8* quads) {
      const uint4 v = load_stream(from + 16 * at);
      const u32 word[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
      for (int i = 0; i < 16; ++i) {
        const int j = i / 4, r = i % 4;
        quads[r % 2 * 8 * tile_stride + 8 * j + r / 2 * 4] =
            static_cast<u8>(quad_of(word[j] >> 2 * r));
      }
    });
  }
  BP_DEVICE static void store(u8* to, const piece& p, int lane, u8* tile) {
    walk(p, lane, tile, [&](u64 at, const u8* quads) {
      u32 word[4] = {};
#pragma unroll
      for (int i = 0; i < 16; ++i) {
        const int j = i / 4, r = i % 4;
        word[j] |= word_of(quads[r % 2 * 8 * tile_stride + 8 * j + r / 2 * 4]) << 2 * r;
      }
      store_16(to + 16 * at, {word[0], word[1], word[2], word[3]});
    });
  }
};

// i2_s: 16 bytes of a row are 16 quads, byte p of 32 has columns p, 32 + p, 64 + p, 96 + p from the
// high bits down.
struct i2_s {
  BP_DEVICE static int columns(int K) { return padded(K); }

  template <class Each>
  BP_DEVICE static void walk(const piece& p, int lane, u8* tile, Each each) {
    // Two lanes take 32 bytes of a row. Sixteen even rows, or odd ones, are 18 banks apart: with
    // two neighbours of each these are all 32.
#pragma unroll 1
    for (int i = 0; i < 6; ++i) {
      const int row = lane / 2 * 2 + i % 2, part = i / 2 * 2 + lane % 2;
      if (p.n + row >= p.N || p.k + part / 2 * 128 >= padded(p.K)) continue;
      each(static_cast<u64>(p.n + row) * (padded(p.K) / 4) + p.k / 4 + 16 * part,
           reinterpret_cast<u32*>(tile + row * tile_stride + part / 2 * 32 + part % 2 * 4));
    }
  }
  BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {
    walk(p, lane, tile, [&](u64 at, u32* quads) {
      const uint4 v = load_stream(from + at);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int down = 6 - 2 * j;
        quads[2 * j] = quad_of(v.x >> down) | quad_of(v.y >> down) << 8 |
                       quad_of(v.z >> down) << 16 | quad_of(v.w >> down) << 24;
      }
    });
  }
  BP_DEVICE static void store(u8* to, const piece& p, int lane, u8* tile) {
    walk(p, lane, tile, [&](u64 at, const u32* quads) {
      u32 word[4] = {};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const u32 four = quads[2 * j];
#pragma unroll
        for (int t = 0; t < 4; ++t) word[t] |= word_of(four >> 8 * t & 0xffu) << (6 - 2 * j);
      }
      store_16(to + at, {word[0], word[1], word[2], word[3]});
    });
  }
};

// tq2_0: as i2_s from the low bits up, in blocks of 66 bytes of which two runs are 32 bytes each:
// no more than two bytes are aligned. The scales stay what they are.
struct tq2_0 {
  BP_DEVICE static int columns(int K) { return rounded_up(K, 256); }

  // each(the two halves of 4 bytes in memory, their quad of columns 0 ... 31)
  template <class Half, class Each>
  BP_DEVICE static void walk(Half* data, const piece& p, int lane, u8* tile, Each each) {
    const int blocks = columns(p.K) / 256;
#pragma unroll 1
    for (int i = lane; i < tile_rows * 24; i += warp_lanes) {
      const int row = i / 24, run = p.k / 128 + i % 24 / 8;
      if (p.n + row >= p.N || run >= 2 * blocks) continue;
      const u64 at = (static_cast<u64>(p.n + row) * blocks + run / 2) * 33 + run % 2 * 16;
      each(data + at + i % 8 * 2, tile + row * tile_stride + i % 24 / 8 * 32 + i % 8);
    }
  }
  BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {
    walk(reinterpret_cast<const u16*>(from), p, lane, tile, [&](const u16* at, u8* quads) {
      const u32 word = at[0] | static_cast<u32>(at[1]) << 16;
#pragma unroll
      for (int j = 0; j < 4; ++j) quads[8 * j] = static_cast<u8>(quad_of(word >> 2 * j));
    });
  }
  BP_DEVICE static void store(u8* to, const piece& p, int lane, u8* tile) {
    walk(reinterpret_cast<u16*>(to), p, lane, tile, [&](u16* at, const u8* quads) {
      u32 word = 0;
#pragma unroll
      for (int j = 0; j < 4; ++j) word |= word_of(quads[8 * j]) << 2 * j;
      at[0] = static_cast<u16>(word);
      at[1] = static_cast<u16>(word >> 16);
    });
  }
};

// tq1_0, only read: four neighbours are the same digit of four bytes of a block of 54.
struct tq1_0 {
  BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {
    const int blocks = rounded_up(p.K, 256) / 256;
#pragma unroll 1
    for (int i = lane; i < tile_rows * tile_quads; i += warp_lanes) {
      const int row = i / tile_quads, column = p.k + i % tile_quads * 4, c = column % 256;
      if (p.n + row >= p.N || column >= p.K) continue;
      const int begin = c < 160 ? 0 : c < 240 ? 32 : 48, wide = c < 160 ? 32 : c < 240 ? 16 : 4;
      const int within = c - (c < 160 ? 0 : c < 240 ? 160 : 240), digit = within / wide;
      const u64 block = static_cast<u64>(p.n + row) * blocks + column / 256;
      const u16* at = reinterpret_cast<const u16*>(from) + block * 27 + (begin + within % wide) / 2;
      const u32 power = digit == 0 ? 1 : digit == 1 ? 3 : digit == 2 ? 9 : digit == 3 ? 27 : 81;
      // Byte b is a fraction of 256: its digit n is the whole part of 3 (b 3^n mod 1).
      const u32 low = at[0], high = at[1];
      const u32 even = ((low & 0xffu) | (high & 0xffu) << 16) * power & 0x00ff00ffu;
      const u32 odd = (low >> 8 | high >> 8 << 16) * power & 0x00ff00ffu;
      tile[row * tile_stride + i % tile_quads] =
          static_cast<u8>(quad_of((3 * even >> 8 & 0x00030003u) | (3 * odd & 0x03000300u)));
    }
  }
};

// A byte of two pairs, v = 3 c0 + c1 of the first in the high nibble, as a quad, and back.
BP_DEVICE u32 quad_of_pairs(u32 byte) {
  const u32 v = byte >> 4 | (byte & 15u) << 16;
  const u32 first = v * 11 >> 5 & 0x00030003u;  // v / 3 for v <= 8
  const u32 both = first | (v - 3 * first) << 2;
  return (both | both >> 12) & 0xffu;
}
BP_DEVICE u32 pairs_of_quad(u32 quad) {
  const u32 first = (quad & 3u) | (quad >> 4 & 3u) << 16;
  const u32 v = 3 * first + ((quad >> 2 & 3u) | quad >> 6 << 16);
  return (v & 15u) << 4 | v >> 16;
}

// tl1: 16 bytes are a quad of 16 rows.
struct tl1 {
  BP_DEVICE static int columns(int K) { return rounded_up(K, 32); }

  template <class Each>
  BP_DEVICE static void walk(const piece& p, int lane, u8* tile, Each each) {
    const int by = 256 / p.bm, K = columns(p.K), n = p.n % p.BM;
    const u64 strip = static_cast<u64>(p.n - n) * K / 4;
#pragma unroll 1
    for (int i = lane; i < 2 * tile_quads; i += warp_lanes) {
      const int group = i / 2 % 2, quad = i / 4 * 2 + i % 2;
      const int k = p.k + 4 * quad, column = k % p.BK, row = n + 16 * group;
      if (k >= K) continue;
      const u64 at = strip + k / p.BK * (p.BM * p.BK / 4) + row / p.bm * (p.bm * p.BK / 4) +
                     column / by * 64 + row % p.bm / 16 * (by * 4) + column % by / 4 * 16;
      each(at, tile + 16 * group * tile_stride + quad);
    }
  }
  BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {
    walk(p, lane, tile, [&](u64 at, u8* quads) {
      const uint4 v = load_stream(from + at);
#pragma unroll
      for (int r = 0; r < 16; ++r)
        quads[r * tile_stride] = static_cast<u8>(quad_of_pairs(byte_of(v, r)));
    });
  }
  BP_DEVICE static void store(u8* to, const piece& p, int lane, u8* tile) {
    walk(p, lane, tile, [&](u64 at, const u8* quads) {
      u32 word[4] = {};
#pragma unroll
      for (int r = 0; r < 16; ++r)
        word[r / 4] |= pairs_of_quad(quads[r * tile_stride]) << r % 4 * 8;
      store_16(to + at, {word[0], word[1], word[2], word[3]});
    });
  }
};

// Rows of floats, aligned to 16 bytes. Loading quantizes: code by where 2 x (exact, or infinite)
// stands to -scale and scale. Storing gives (code - 1) scale, rounded to Y.
template <class Y>
struct floats {
  static constexpr int across = tile_columns / per_load<Y>;  // of 16 bytes in a row

  BP_DEVICE static int columns(int K) { return K; }

  BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {
    const float up = p.scale, down = -p.scale;
#pragma unroll 4
    for (int i = lane; i < tile_rows * across; i += warp_lanes) {
      const int row = i / across, at = i % across * per_load<Y>;
      if (p.n + row >= p.N || p.k + at >= p.K) continue;
      float x[per_load<Y>];
      load_values(reinterpret_cast<const Y*>(from) + static_cast<u64>(p.n + row) * p.K, p.k + at,
                  p.K, x);
#pragma unroll
      for (int j = 0; j < per_load<Y>; j += 4) {
        u32 quad = 0;
#pragma unroll
        for (int c = 0; c < 4; ++c)
          quad |= (1u + (2 * x[j + c] > up) - (2 * x[j + c] < down)) << 2 * c;
        tile[row * tile_stride + (at + j) / 4] = static_cast<u8>(quad);
      }
    }
  }
  BP_DEVICE static void store(u8* to, const piece& p, int lane, u8* tile) {
#pragma unroll 2
    for (int i = lane; i < tile_rows * across; i += warp_lanes) {
      const int row = i / across, at = i % across * per_load<Y>;
      if (p.n + row >= p.N || p.k + at >= p.K) continue;
      Y y[per_load<Y>];
#pragma unroll
      for (int j = 0; j < per_load<Y>; ++j) {
        const u32 quad = tile[row * tile_stride + (at + j) / 4];
        const int weight = static_cast<int>(quad >> j % 4 * 2 & 3u) - 1;
        y[j] = from_float<Y>(__fmul_rn(__int2float_rn(weight), p.scale));
      }
      store_values(reinterpret_cast<Y*>(to) + static_cast<u64>(p.n + row) * p.K, p.k + at, p.K, y);
    }
  }
};

// Weights themselves, a byte each, in rows padded with zeros to a multiple of 128 columns. Only
// stored: eight lanes store 128 bytes of a row, of rows eight apart, which lie in different banks.
struct int8_rows {
  BP_DEVICE static int columns(int K) { return padded(K); }

  BP_DEVICE static void store(u8* to, const piece& p, int lane, u8* tile) {
#pragma unroll 4
    for (int i = 0; i < 8 * tile_columns / step_columns; ++i) {
      const int row = i % 8 + lane / 8 * 8, at = i / 8 * step_columns + lane % 8 * 16;
      if (p.n + row >= p.N || p.k + at >= padded(p.K)) continue;
      const u32 quads = *reinterpret_cast<const u32*>(tile + row * tile_stride + at / 4);
      u32 words[4];
#pragma unroll
      for (int j = 0; j < 4; ++j)  // codes 0, 1, 2 to 0xff, 0, 1
        words[j] = (word_of(quads >> 8 * j & 0xffu) + 0x7f7f7f7fu) ^ 0x80808080u;
      store_16(to + static_cast<u64>(p.n + row) * padded(p.K) + p.k + at,
               {words[0], words[1], words[2], words[3]});
    }
  }
};
