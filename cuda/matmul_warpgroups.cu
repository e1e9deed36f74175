// Products of 16-bit matrices by Hopper's warpgroups.
#include "device/matmul.cuh"

#if defined(BP_EMULATE) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#include "device/ptx_wgmma.cuh"

// As matmul (matmul.cu), by_columns and aligned: a block makes 128 rows of 256 columns, each of its
// two warpgroups 64 rows. Two groups of products are under way, and two stages on their way; a
// stage is filled again two rounds after it was multiplied: then all know that its products are
// done.
template <class T, class H>
__global__ void __launch_bounds__(T::threads, 1)
    matmul_warpgroups(const H* __restrict__ a,  // [M, K], a row a_row numbers after the one before
                      const H* __restrict__ b,  // [N, K], a row b_row numbers after ...
                      void* __restrict__ y,     // [M, N] of `kind`, a row y_row numbers after ...
                      int kind,                 // of number_kind
                      int M, int N, int K, u64 a_row, u64 b_row, u64 y_row) {
  static_assert(T::rows == 128 && T::columns == 256 && T::stages == 4);
  BP_DYNAMIC_SHARED(stages);
  const int row = blockIdx.y * T::rows, column = blockIdx.x * T::columns;
  stage_copies<T, H, by_columns, true> copy = {{a, a_row, row, 0, M, K},
                                               {b, b_row, column, 0, N, K}};
  wait_for_earlier_launches();
#pragma unroll
  for (int s = 0; s < 2; ++s) {
    copy.begin(stages + s * T::stage_bytes);
    copy_commit();
  }

  matmul_sums<T> sums;
  warpgroup_products<H> products;
  const int group_rows = threadIdx.x / 128 * 64 * panel_row;
  int round = 0;
  for (int left = K; left > 0; left -= panel_columns, ++round) {
    copy_wait<1>();
    show_shared();
    __syncthreads();  // this stage is there for all; the products of two rounds ago are done
    const char* const stage = stages + round % 4 * T::stage_bytes;
    products.begin(sums.at[0]);
#pragma unroll
    for (int k16 = 0; k16 < panel_columns / 16; ++k16)
      products.multiply(sums.at[0], stage + group_rows + k16 * 32, stage + T::a_bytes + k16 * 32);
    products.commit();
    copy.begin(stages + (round + 2) % 4 * T::stage_bytes);
    copy_commit();
    products.template wait<1>(sums.at[0]);
  }
  products.template wait<0>(sums.at[0]);
  copy_wait<0>();
  __syncthreads();  // nobody reads or fills a stage any more
  allow_next_launch();

  float* const held = reinterpret_cast<float*>(stages);
  sums.keep(held, threadIdx.x % 32, threadIdx.x / 32, 0);
  __syncthreads();
  store_result<typename T::result>(held, {y, y_row, kind, M, N}, row, column,
                                   [](int) { return 1.0f; });
}
#endif
