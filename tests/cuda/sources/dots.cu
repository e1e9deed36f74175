// c[t] = sum over i = t, t + 32, ... of four products a b of bytes.
extern "C" __global__ void dots(const int* a,  // [n], four bytes each
                                const int* b,  // [n]
                                int* c,        // [32]
                                int n) {
  int sum = 0;
#pragma unroll 1
  for (int i = threadIdx.x; i < n; i += 32) sum = __dp4a(a[i], b[i], sum);
  c[threadIdx.x] = sum;
}
