// A loop in a loop, with a subroutine that the compiler puts behind the kernel.
extern "C" __global__ void divide(const float* a,  // [n]
                                  const float* b,  // [n]
                                  float* c,        // [n]
                                  int n) {
  for (int i = threadIdx.x; i < n; i += 32) {
    float sum = 0;
#pragma unroll 1
    for (int j = 0; j < n; ++j) {
      if (a[j] > 0) sum += a[i] / b[j];
      sum += __shfl_xor_sync(~0u, sum, 1);
    }
    c[i] = sum;
  }
}
