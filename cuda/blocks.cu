// Codecs with a float32 scale a block of consecutive values, as the BitNet.rs crates have them.
#include "device/block_encode.cuh"

// Scales and codes of x. Value i has its code in byte i / 4, bits 2 (i % 4) (bytes: in byte i), no
// byte from data_bytes on is touched, unused bits are 0. Grid ceil(units / 8); a unit is 128 values
// where block is a power of two from 4 to 128, else 1, 2 or 4 blocks that end on a whole byte.
template <class Codec>
__global__ void __launch_bounds__(codec_threads)
    block_quantize(const float* __restrict__ x,  // [count], aligned to 16 bytes
                   u8* data,                     // [data_bytes], aligned to 4 bytes
                   float* __restrict__ scales,   // [ceil(count / block)]
                   u32 count,                    // 1 ... 2^31
                   u32 block,                    // 1 ... 2^31; that of the codec if it has one
                   u32 data_bytes) {
  const u32 unit = blockIdx.x * codec_warps + threadIdx.x / warp_lanes;
  const bool power = block >= 4 && block <= warp_values && (block & (block - 1)) == 0;
  if (!Codec::any_block || power) {
    encode_side_by_side<Codec>(x, data, scales, count, block, data_bytes, unit);
  } else {
    encode_in_turn<Codec>(x, data, scales, count, block, data_bytes, unit);
  }
}

// x = value of the codes, 0 where they have no scale. Four values a thread; grid ceil(count /
// 1024).
template <class Codec>
__global__ void __launch_bounds__(codec_threads)
    block_dequantize(const u8* __restrict__ data,       // [ceil(count / 4)], bytes: [count];
                                                        // aligned to 4 bytes
                     const float* __restrict__ scales,  // [scales_count]
                     float* __restrict__ x,             // [count], aligned to 16 bytes
                     u32 count,                         // 1 ... 2^31
                     u32 block,                         // 1 ... 2^31
                     u32 scales_count) {
  const u32 at = (blockIdx.x * codec_threads + threadIdx.x) * 4;
  if (at >= count) return;
  u32 four = 0;
  if (!Codec::bytes) {
    four = data[at / 4];
  } else if (count - at >= 4) {
    four = *reinterpret_cast<const u32*>(data + at);
  } else {
    for (u32 i = 0; at + i < count; ++i) four |= static_cast<u32>(data[at + i]) << 8 * i;
  }
  u32 b = at / block, left = block - at % block;
  u32 made[4];
#pragma unroll
  for (u32 i = 0; i < 4; ++i) {
    const u32 code = Codec::bytes ? four >> 8 * i & 0xffu : four >> 2 * i & 3u;
    const bool scaled = b < scales_count;
    made[i] = __float_as_uint(scaled ? Codec::value(code, scales[scaled ? b : 0]) : 0.0f);
    if (--left == 0) {
      ++b;
      left = block;
    }
  }
  if (count - at >= 4) {
    store_16(x + at, {made[0], made[1], made[2], made[3]});
  } else {
#pragma unroll
    for (u32 i = 0; i < 3; ++i)
      if (at + i < count) x[at + i] = __uint_as_float(made[i]);
  }
}
