#include "offset.cuh"

// y[i] = a x[i] + y[i], every block turned around through shared memory.
template <int THREADS>
__global__ void __launch_bounds__(THREADS) saxpy(const float* x,  // [n]
                                                 float* y,        // [n]
                                                 float a,
                                                 int n) {  // a multiple of THREADS
  __shared__ float turned[THREADS];
  for (int i = blockIdx.x * THREADS + threadIdx.x; i < n; i += THREADS * gridDim.x) {
    turned[THREADS - 1 - threadIdx.x] = x[i];
    __syncthreads();
    y[i] = a * turned[threadIdx.x] + y[i] + OFFSET;
    __syncthreads();
  }
}
