// How a warp encodes blocks: side by side where they are small powers of two, else in turn.
#pragma once

#include "device/block_codecs.cuh"

constexpr int codec_threads = 256;
constexpr int codec_warps = codec_threads / warp_lanes;
constexpr int warp_values = 4 * warp_lanes;  // four neighbours a lane

// Where the codes of four values go that begin at a multiple of four; `codes` a byte each.
template <class Codec>
BP_DEVICE void put_codes(u8* data, u32 at, u32 codes_of_four, u32 count, u32 data_bytes) {
  if (Codec::bytes) {
    if (count - at >= 4) {
      *reinterpret_cast<u32*>(data + at) = codes_of_four;
    } else {
      for (u32 i = 0; at + i < count; ++i) data[at + i] = static_cast<u8>(codes_of_four >> 8 * i);
    }
  } else if (at / 4 < data_bytes) {
    const u32 two_bits = codes_of_four & 0x03030303u;
    const u32 byte = (two_bits | two_bits >> 6 | two_bits >> 12 | two_bits >> 18) & 0xffu;
    data[at / 4] = static_cast<u8>(Codec::merges ? data[at / 4] | byte : byte);
  }
}

// Values at ... at + 4 as far as they go; NaN, which no scale looks at, behind the last.
BP_DEVICE void load_four(const float* x, u32 at, u32 count, float (&four)[4]) {
  if (at < count && count - at >= 4) {
    const uint4 v = load_16(x + at);
#pragma unroll
    for (int i = 0; i < 4; ++i) four[i] = value_at<float>(v, i);
    return;
  }
#pragma unroll
  for (u32 i = 0; i < 4; ++i)
    four[i] = at < count && i < count - at ? x[at + i] : __uint_as_float(0x7fc00000u);
}

// Blocks of 4, 8, ... 128: those of 128 values at once, a block in block / 4 lanes side by side.
template <class Codec>
BP_DEVICE void encode_side_by_side(const float* x, u8* data, float* scales, u32 count, u32 block,
                                   u32 data_bytes, u32 unit) {
  const u32 lane = threadIdx.x % warp_lanes, at = unit * warp_values + 4 * lane;
  float four[4];
  load_four(x, at, count, four);
  block_seen seen;
#pragma unroll
  for (int i = 0; i < 4; ++i) seen.look(four[i]);
  for (u32 bit = block / 8; bit > 0; bit /= 2) {
    seen.most = max(seen.most, __shfl_xor_sync(all_lanes, seen.most, bit));
    seen.finite = max(seen.finite, __shfl_xor_sync(all_lanes, seen.finite, bit));
  }
  if (at >= count) return;
  if (at % block == 0) scales[at / block] = Codec::scale(seen);
  const float unit_of_codes = Codec::unit(seen);
  u32 made = 0;
#pragma unroll
  for (u32 i = 0; i < 4; ++i)
    if (i < count - at) made |= Codec::code(four[i], unit_of_codes) << 8 * i;
  put_codes<Codec>(data, at, made, count, data_bytes);
}

// Any other blocks: as few as end on a whole byte, one after the other, their units in the lanes.
template <class Codec>
BP_DEVICE void encode_in_turn(const float* x, u8* data, float* scales, u32 count, u32 block,
                              u32 data_bytes, u32 unit) {
  const u32 lane = threadIdx.x % warp_lanes;
  const u32 together = block % 4 == 0 ? 1 : block % 2 == 0 ? 2 : 4;
  const u64 first = static_cast<u64>(unit) * together * block;
  float unit_of_codes = 0;  // of block `lane` of these
  for (u32 b = 0; b < together; ++b) {
    const u64 begin = first + b * static_cast<u64>(block);
    if (begin >= count) break;
    const u32 end = static_cast<u32>(begin + block < count ? begin + block : count);
    block_seen seen;
    for (u32 i = static_cast<u32>(begin) + lane; i < end; i += warp_lanes) seen.look(x[i]);
    seen.most = warp_max(seen.most);
    seen.finite = warp_max(seen.finite);
    if (lane == 0) scales[begin / block] = Codec::scale(seen);
    if (lane == b) unit_of_codes = Codec::unit(seen);
  }
  const u64 all = first + static_cast<u64>(together) * block;
  const u32 begin = static_cast<u32>(first), end = static_cast<u32>(all < count ? all : count);
  for (u32 from = begin; from < end; from += warp_values) {
    const u32 at = from + 4 * lane;
    u32 made = 0;
    for (u32 i = 0; i < 4; ++i) {
      const u32 b = (at + i - begin) / block;
      const float s = __shfl_sync(all_lanes, unit_of_codes, static_cast<int>(b & 3u));
      if (at + i < end) made |= Codec::code(x[at + i], s) << 8 * i;
    }
    if (at < end) put_codes<Codec>(data, at, made, end, data_bytes);
  }
}
