// tl2: columns below K3 = floor(K / BK) BK in triples with their signs apart, the others in pairs.
// Bytes of 32 rows stand together, rows in the order 0-7, 16-23, 8-15, 24-31; lanes are rows.
#pragma once

#include "device/ternary_formats.cuh"

struct tl2 {
  static constexpr int vectors = tile_columns / 6;  // of indices of 32 rows
  static constexpr int groups = tile_columns / 24;  // of signs
  static constexpr int raw_bytes = 32 * (vectors + groups);

  BP_DEVICE static int columns(int K) { return rounded_up(K, 32); }
  BP_DEVICE static int triple_columns(const piece& p) { return columns(p.K) / p.BK * p.BK; }

  // Bytes of this warp as they stand in memory: the indices, then the signs.
  BP_DEVICE static u8* raw() {
    BP_SHARED(u32, held, tile_warps * raw_bytes / 4);
    return reinterpret_cast<u8*>(held) + threadIdx.x / warp_lanes * raw_bytes;
  }

  // each(in memory, in raw(), 16 bytes of both) over what is triples.
  template <class Each>
  BP_DEVICE static void walk_triples(const piece& p, int lane, Each each) {
    const int K3 = triple_columns(p), n = p.n % p.BM;
    const u64 above = p.n - n;
#pragma unroll 1
    for (int i = lane; i < 2 * vectors; i += warp_lanes) {
      const int k = p.k + i / 2 * 6;
      if (k >= K3) continue;
      each(above * K3 / 6 + k / p.BK * (p.BM * p.BK / 6) + n * p.BK / 6 + k % p.BK / 6 * 32 +
               i % 2 * 16,
           16 * i);
    }
    const int k = p.k + lane / 2 * 24;
    if (k < K3)
      each(static_cast<u64>(K3) * p.N / 6 + above * K3 / 24 + k / p.BK * (p.BM * p.BK / 24) +
               n * p.BK / 24 + k % p.BK / 24 * 32 + lane % 2 * 16,
           32 * vectors + 16 * lane);
  }

  // each(16 bytes in memory, their quad of row 0 or 8) over what is pairs. Bytes 8 ... 15 are 16
  // rows behind bytes 0 ... 7.
  template <class Each>
  BP_DEVICE static void walk_pairs(const piece& p, int lane, u8* tile, Each each) {
    const int K3 = triple_columns(p), K2 = columns(p.K) - K3, n = p.n % p.BM;
    const u64 begin = static_cast<u64>(K3) * p.N / 6 + static_cast<u64>(K3) * p.N / 24 +
                      static_cast<u64>(p.n - n) * K2 / 4 + n * 8;
    if (p.k + tile_columns <= K3) return;
#pragma unroll 1
    for (int i = lane; i < 2 * tile_quads; i += warp_lanes) {
      const int column = p.k + i / 2 * 4 - K3;
      if (column < 0 || column >= K2) continue;
      each(begin + column / 32 * (p.BM * 8) + column % 32 / 4 * 32 + i % 2 * 16,
           tile + i % 2 * 8 * tile_stride + i / 2);
    }
  }

  // Row r of 32 in its vector.
  BP_DEVICE static int place(int r) { return r / 8 % 3 == 0 ? r : r < 16 ? r + 8 : r - 8; }

  // Three digits of v = 9 c0 + 3 c1 + c2 (0 ... 26), two bits each, c0 lowest; and back.
  BP_DEVICE static u32 digits(u32 v) {
    const u32 thirds = v * 171 >> 9, first = v * 57 >> 9;
    return first | (thirds - 3 * first) << 2 | (v - 3 * thirds) << 4;
  }
  BP_DEVICE static u32 triple(u32 digits) {
    return 9 * (digits & 3u) + 3 * (digits >> 2 & 3u) + (digits >> 4 & 3u);
  }

  BP_DEVICE static void load(const u8* from, const piece& p, int lane, u8* tile) {
    u8* const bytes = raw();
    walk_triples(p, lane, [&](u64 at, int to) { store_16(bytes + to, load_stream(from + at)); });
    walk_pairs(p, lane, tile, [&](u64 at, u8* quads) {
      const uint4 v = load_stream(from + at);
#pragma unroll
      for (int i = 0; i < 16; ++i)
        quads[(i % 8 + i / 8 * 16) * tile_stride] = static_cast<u8>(quad_of_pairs(byte_of(v, i)));
    });
    __syncwarp();
    const u8* const mine = bytes + place(lane);
    const u16* const signs = reinterpret_cast<const u16*>(bytes + 32 * vectors) + lane % 16;
    const int end = min(triple_columns(p) - p.k, tile_columns);
#pragma unroll 1
    for (int k = 0; k < end; k += 12) {  // four triples, three quads
      // The sign of triple t of 24 columns is bit 15 - 2 t of rows below 16, 14 - 2 t of the
      // others.
      const u32 minus = signs[k / 24 * 16] << lane / 16 << k % 24 / 12 * 8;
      const u32 two[2] = {mine[k / 6 * 32], mine[k / 6 * 32 + 32]};
      u32 made = 0;
#pragma unroll
      for (int t = 0; t < 4; ++t) {
        const u32 index = two[t / 2] >> (1 - t % 2) * 4 & 15u;
        made |= digits((minus >> (15 - 2 * t) & 1u) != 0 ? 13 - index : 13 + index) << 6 * t;
      }
      u8* const quads = tile + lane * tile_stride + k / 4;
#pragma unroll
      for (int i = 0; i < 3; ++i) quads[i] = static_cast<u8>(made >> 8 * i);
    }
  }

  BP_DEVICE static void store(u8* to, const piece& p, int lane, u8* tile) {
    u8* const bytes = raw();
    u8* const mine = bytes + place(lane);
    u16* const signs = reinterpret_cast<u16*>(bytes + 32 * vectors) + lane % 16;
    const int end = min(triple_columns(p) - p.k, tile_columns);
#pragma unroll 1
    for (int group = 0; group * 24 < end; ++group) {
      u32 minus = 0;  // triple t at bit 15 - 2 t
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const u8* const quads = tile + lane * tile_stride + group * 6 + half * 3;
        const u32 read = quads[0] | quads[1] << 8 | quads[2] << 16;
        u32 two[2] = {};
#pragma unroll
        for (int t = 0; t < 4; ++t) {
          const int v = static_cast<int>(triple(read >> 6 * t & 63u)) - 13;
          two[t / 2] |= static_cast<u32>(v < 0 ? -v : v) << (1 - t % 2) * 4;
          minus |= static_cast<u32>(v < 0) << (15 - 2 * (4 * half + t));
        }
        mine[(group * 4 + half * 2) * 32] = static_cast<u8>(two[0]);
        mine[(group * 4 + half * 2) * 32 + 32] = static_cast<u8>(two[1]);
      }
      // Lane r of the first sixteen has row r, lane r + 16 has row r + 16 one bit below.
      const u32 other = __shfl_xor_sync(all_lanes, minus, 16);
      if (lane < 16) signs[group * 16] = static_cast<u16>(minus | other >> 1);
    }
    __syncwarp();
    walk_triples(p, lane, [&](u64 at, int held) { store_16(to + at, load_shared(bytes + held)); });
    walk_pairs(p, lane, tile, [&](u64 at, const u8* quads) {
      u32 word[4] = {};
#pragma unroll
      for (int i = 0; i < 16; ++i)
        word[i / 4] |= pairs_of_quad(quads[(i % 8 + i / 8 * 16) * tile_stride]) << i % 4 * 8;
      store_16(to + at, {word[0], word[1], word[2], word[3]});
    });
  }
};
