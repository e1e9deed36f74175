// Ternary weights times many tokens by Hopper's warpgroups, exact in int32 until the scales.
#include "device/gemm_w2a8.cuh"

#if defined(BP_EMULATE) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#include "device/ptx_wgmma_bytes.cuh"

// The sums of a block over a part of the columns. Weights go from registers into products, as A of
// 64 rows, of each warp 16; activations lie in stages as B has them, T::stages - 2 of them on their
// way. A stage is filled again two rounds after it was multiplied: then all know that its products
// are done. A block alone on its multiprocessor leaves those of a round under way; where two take
// turns, the products of the other are.
template <class T>
BP_DEVICE void multiply_by_warpgroups(const uint4* weights, int row_tiles, const columns& c,
                                      char* stages, warp_sums<T>& sums) {
  static_assert(T::warps_n % 4 == 0 && T::warps_m == 1 && T::warps_k == 1 && T::rows == 1 &&
                T::tokens == 16);
  static_assert(T::stages >= 4 && T::stages % 2 == 0);
  constexpr int ahead = T::stages - 2, under_way = T::threads == 512 ? 1 : 0;
  int left = c.end - c.begin;
  weight_ring<T> ring(weights, row_tiles, c, position<T>());
#pragma unroll
  for (int s = 0; s < T::stages; ++s) ring.load(s);
  wait_for_earlier_launches();
  stage_copy<T> copy(c);
#pragma unroll
  for (int s = 0; s < ahead; ++s) {
    copy.begin(s, stages + s * T::stage_bytes);
    copy_commit();
  }

  warpgroup_byte_products products;
  for (; left > 0; left -= T::stages) {
#pragma unroll
    for (int s = 0; s < T::stages; ++s) {
      if (s >= left) {  // a branch with products under way would have each wait for the one before
        products.template wait<0>(sums.at[0]);
        break;
      }
      const uint4 w = ring.w[s][0];
      u32 a[4][4];
      spread(w.x, a[0]);
      spread(w.y, a[1]);
      spread(w.z, a[2]);
      spread(w.w, a[3]);
      copy_wait<ahead - 1>();
      show_shared();
      __syncthreads();  // this stage is there for all; the products of two rounds ago are done
      products.begin(sums.at[0], a);
#pragma unroll
      for (int k32 = 0; k32 < 4; ++k32)
        products.multiply(sums.at[0], a[k32], stages + s * T::stage_bytes + k32 * 32);
      products.commit();
      copy.begin(s + ahead, stages + (s + ahead) % T::stages * T::stage_bytes);
      copy_commit();
      ring.load(s + T::stages);
      products.template wait<under_way>(sums.at[0]);
    }
    copy.advance(T::stages);
    ring.advance(T::stages);
  }
  products.template wait<0>(sums.at[0]);
  sums.finish();
  copy_wait<0>();
}

// As gemm_w2a8, in everything but who multiplies.
template <class T>
__global__ void __launch_bounds__(T::threads, 512 / T::threads)
    gemm_w2a8_warpgroups(const uint4* __restrict__ weights,  // frag16x32 of [N, K]
                         const s8* values,                   // [M, ceil(K / 128) * 128], zeros ...
                         const float* x_scales,              // [M], 127 / amax
                         const s32* x_sums,                  // [M], of values
                         const float* __restrict__ scales,   // [ceil(N / 16)], of each 16 rows
                         void* __restrict__ y,               // [M, N] of `kind`
                         s32* __restrict__ partial,          // [M, N] zeros; null with one part
                         u32* __restrict__ arrived,  // [grid.y, grid.x] zeros; null with one
                         int kind,                   // of number_kind; int32: without scales
                         int M, int N, int K) {
  BP_DYNAMIC_SHARED(stages);
  const int token = blockIdx.y * T::block_tokens;
  warp_sums<T> sums;
  multiply_by_warpgroups<T>(weights, (N + 15) / 16, columns_of_part<T>(values, token, M, K), stages,
                            sums);
  store_product<T>(sums, {y, partial, arrived, x_scales, x_sums, scales, kind, M, N}, token);
}
#endif
