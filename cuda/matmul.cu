// Products of 16-bit matrices, summed in float32.
#include "device/matmul.cuh"

// One stage of 64 columns: what comes next from shared memory is under way while tensor cores
// multiply what is there.
template <class T, class H, b_layout layout>
BP_DEVICE void multiply_stage(const char* stage, int a_row, int b_row, matmul_sums<T>& sums) {
  fragments<T, layout> two[2];
  two[0].load(stage, 0, a_row, b_row);
#pragma unroll
  for (int k16 = 0; k16 < panel_columns / 16; ++k16) {
    if (k16 + 1 < panel_columns / 16) two[(k16 + 1) % 2].load(stage, k16 + 1, a_row, b_row);
    sums.template add<H, layout>(two[k16 % 2]);
  }
}

// y = a @ b.T (by_columns) or a @ b (by_rows), each sum in float32 and rounded once to the kind of
// y. Sums grow in steps of 16 columns in their order; within a step the tensor core's order holds
// (ptx_mma.cuh), on the CPU that of the columns: |error| <= K 2^-23 sum |a b|.
//
// A block makes T::rows x T::columns; grid ceil(N / columns), ceil(M / rows). With `aligned`, a and
// b and their rows begin at multiples of 16 bytes. Dynamic shared memory T::shared.
template <class T, class H, b_layout layout, bool aligned>
__global__ void __launch_bounds__(T::threads, T::blocks)
    matmul(const H* __restrict__ a,  // [M, K], a row a_row numbers after the one before
           const H* __restrict__ b,  // [N, K] or [K, N], a row b_row numbers after ...
           void* __restrict__ y,     // [M, N] of `kind`, a row y_row numbers after ...
           int kind,                 // of number_kind
           int M, int N, int K, u64 a_row, u64 b_row, u64 y_row) {
  BP_DYNAMIC_SHARED(stages);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int warp_m = warp % T::warps_m, warp_n = warp / T::warps_m;
  const int row = blockIdx.y * T::rows, column = blockIdx.x * T::columns;
  using copies = stage_copies<T, H, layout, aligned>;
  copies copy = {{a, a_row, row, 0, M, K},
                 {b, b_row, copies::rows_are_k ? 0 : column, copies::rows_are_k ? column : 0,
                  copies::rows_are_k ? K : N, copies::rows_are_k ? N : K}};
  wait_for_earlier_launches();
#pragma unroll
  for (int s = 0; s < T::stages - 1; ++s) {
    copy.begin(stages + s * T::stage_bytes);
    copy_commit();
  }

  const int a_place = fragments<T, layout>::a_place(lane, warp_m);
  const int b_place = fragments<T, layout>::b_place(lane, warp_n);
  matmul_sums<T> sums;
  int taken = 0, filled = (T::stages - 1) * T::stage_bytes;  // stages, as bytes
  for (int left = K; left > 0; left -= panel_columns) {
    copy_wait<T::stages - 2>();
    __syncthreads();  // this stage is there for all, the one before it is read by all
    copy.begin(stages + filled);
    copy_commit();
    multiply_stage<T, H, layout>(stages + taken, a_place, b_place, sums);
    filled = taken;
    taken = taken == (T::stages - 1) * T::stage_bytes ? 0 : taken + T::stage_bytes;
  }
  copy_wait<0>();
  __syncthreads();  // nobody reads or fills a stage any more
  allow_next_launch();

  float* const held = reinterpret_cast<float*>(stages);
  sums.keep(held, lane, warp_m, warp_n);
  __syncthreads();
  store_result<typename T::result>(held, {y, y_row, kind, M, N}, row, column,
                                   [](int) { return 1.0f; });
}

// The same with a thread for each element of y and no tensor cores: what others are measured
// against. Each product and sum is rounded once, together, in the order of the columns. Grid ceil(N
// / 32), ceil(M / 8), 256 threads.
template <class H>
__global__ void __launch_bounds__(256)
    matmul_naive(const H* __restrict__ a,  // [M, K], a row a_row numbers after the one before
                 const H* __restrict__ b,  // [N, K], a row b_row numbers after ...
                 void* __restrict__ y,     // [M, N] of `kind`, a row y_row numbers after ...
                 int kind,                 // of number_kind
                 int M, int N, int K, u64 a_row, u64 b_row, u64 y_row) {
  const int m = blockIdx.y * 8 + threadIdx.x / 32, n = blockIdx.x * 32 + threadIdx.x % 32;
  wait_for_earlier_launches();
  if (m >= M || n >= N) return;
  float sum = 0;
  for (int k = 0; k < K; ++k)
    sum = fmaf(to_float(a[m * a_row + k]), to_float(b[n * b_row + k]), sum);
  store_as(y, m * y_row + n, kind, sum);
}
