// Stands in until matmul.cu is here.
#include "device/activations.cuh"

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
