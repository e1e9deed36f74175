// Ternary weights times many tokens: y = values @ W.T, exact in int32 until the scales.
#include "device/gemm_w2a8.cuh"

// The sums of a block over a part of the columns, before corrections and scales.
template <class T>
BP_DEVICE void multiply_columns(const uint4* weights, int row_tiles, const columns& c, char* stages,
                                warp_sums<T>& sums) {
  const position<T> at;
  int left = (c.end - c.begin + T::warps_k - 1) / T::warps_k;
  weight_ring<T> ring(weights, row_tiles, c, at);
#pragma unroll
  for (int s = 0; s < T::stages; ++s) ring.load(s);
  wait_for_earlier_launches();
  stage_copy<T> copy(c);
#pragma unroll
  for (int s = 0; s < T::stages - 1; ++s) {
    copy.begin(s, stages + s * T::stage_bytes);
    copy_commit();
  }

  const char* mine = stages + (at.k * T::block_tokens + at.m * 8 * T::tokens) * step_columns;
  const char* low = mine + stage_offset(at.lane % 8, at.lane / 8);
  const char* high = mine + stage_offset(at.lane % 8, 4 + at.lane / 8);
  for (; left > 0; left -= T::stages) {
#pragma unroll
    for (int s = 0; s < T::stages; ++s) {
      if (s >= left) break;
      copy_wait<T::stages - 2>();
      __syncthreads();  // this stage is there for all, the one before it is read by all
      constexpr int ahead = T::stages - 1;
      copy.begin(s + ahead, stages + (s + ahead) % T::stages * T::stage_bytes);
      copy_commit();
      multiply_step<T>(ring.w[s], low + s * T::stage_bytes, high + s * T::stage_bytes, sums);
      ring.load(s + T::stages);
    }
    copy.advance(T::stages);
    ring.advance(T::stages);
  }
  sums.finish();
  copy_wait<0>();
  if (T::warps_k > 1) add_warps<T>(at, sums, stages);
}

// y = values @ W.T. A block makes T::block_tiles * 16 rows of T::block_tokens tokens; grid ceil(N /
// rows), ceil(M / tokens), parts. With more than one part each takes a share of the columns: their
// sums meet in `partial`, exactly, and the part that comes last makes y and leaves zeros.
// Dynamic shared memory T::stages * T::stage_bytes. K <= 2^21.
template <class T>
__global__ void __launch_bounds__(T::threads, least_blocks<T>)
    gemm_w2a8(const uint4* __restrict__ weights,  // frag16x32 of [N, K]
              const s8* values,                   // [M, ceil(K / 128) * 128], zeros beyond K
              const float* x_scales,              // [M], 127 / amax
              const s32* x_sums,                  // [M], of values
              const float* __restrict__ scales,   // [ceil(N / 16)], of each 16 rows
              void* __restrict__ y,               // [M, N] of `kind`
              s32* __restrict__ partial,          // [M, N] zeros; null with one part
              u32* __restrict__ arrived,          // [grid.y, grid.x] zeros; null with one part
              int kind,                           // of number_kind; int32: without scales
              int M, int N, int K) {
  BP_DYNAMIC_SHARED(stages);
  const int token = blockIdx.y * T::block_tokens;
  warp_sums<T> sums;
  multiply_columns<T>(weights, (N + 15) / 16, columns_of_part<T>(values, token, M, K), stages,
                      sums);
  store_product<T>(sums, {y, partial, arrived, x_scales, x_sums, scales, kind, M, N}, token);
}
