// Ternary weights from one format to another, from floats and to floats.
#include "device/ternary_formats.cuh"
#include "device/tl2.cuh"

// to = the weights of `from`, exactly, all bytes of codes of To written, none of scales and padding
// behind the codes. A warp takes 32 rows of 384 columns; grid ceil(pieces / 4) with pieces =
// ceil(N / 32) * ceil(To::columns(K) / 384). Weights beyond N and K are zeros whatever `from` has
// there. Both aligned to 16 bytes.
template <class From, class To>
__global__ void __launch_bounds__(tile_threads)
    transcode(const u8* __restrict__ from,  // [N, K] of From
              u8* __restrict__ to,          // [N, K] of To
              const float* scale,           // to quantize: [1], codes are round(w / scale), cut to
                                            // -1 ... 1, half to 0; to dequantize: [1]; else null
              int BM, int BK, int bm,       // the tiling of tl1 and tl2; else anything
              int N, int K) {
  BP_SHARED(u32, tiles, tile_warps * tile_bytes / 4);
  const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
  const int across = (To::columns(K) + tile_columns - 1) / tile_columns;
  const u64 item = static_cast<u64>(blockIdx.x) * tile_warps + warp;
  const piece p = {static_cast<int>(item / across) * tile_rows,
                   static_cast<int>(item % across) * tile_columns,
                   N,
                   K,
                   BM,
                   BK,
                   bm,
                   scale == nullptr ? 0.0f : *scale};
  if (p.n >= N) return;
  u8* const tile = reinterpret_cast<u8*>(tiles) + warp * tile_bytes;
  From::load(from, p, lane, tile);
  __syncwarp();
  if (p.n + tile_rows > N || p.k + tile_columns > K) {
    pad(p, lane, tile);
    __syncwarp();
  }
  To::store(to, p, lane, tile);
}
