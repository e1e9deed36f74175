// What begins and ends a step of a model: rows of the embedding with their rotations, and the token
// after it. Token and position stand in memory of the device, so a step is the same launches again.
#include "device/activations.cuh"

// x[m] = table[ids[m]], exact, and the cos and sin of position length[m] - 1. A block makes a
// token; grid M.
template <class X>
__global__ void __launch_bounds__(row_threads)
    embed(const X* __restrict__ table,        // [V, K], aligned to 16 bytes
          const s32* ids,                     // [M], 0 ... V - 1
          const s32* length,                  // [M], 1 ... positions: this token counted in
          const float* __restrict__ all_cos,  // [positions, pairs]
          const float* __restrict__ all_sin,  // likewise
          float* x,                           // [M, K], aligned to 16 bytes
          float* cos,                         // [M, pairs]
          float* sin,                         // likewise
          int K, int pairs) {
  constexpr int n = per_load<X>;
  const u64 m = blockIdx.x;
  wait_for_earlier_launches();
  const X* const row = table + static_cast<u64>(ids[m]) * K;
  for (int k = threadIdx.x * n; k < K; k += row_threads * n) {
    float values[n];
    load_values(row, k, K, values);
#pragma unroll
    for (int j = 0; j < n; j += 4) {
      const float four[4] = {values[j], values[j + 1], values[j + 2], values[j + 3]};
      store_values(x + m * K, k + j, K, four);
    }
  }
  const u64 from = static_cast<u64>(length[m] - 1) * pairs;
  for (int i = threadIdx.x; i < pairs; i += row_threads) {
    cos[m * pairs + i] = all_cos[from + i];
    sin[m * pairs + i] = all_sin[from + i];
  }
  allow_next_launch();
}

// The token that argmax chose takes its place behind the last. One thread.
__global__ void __launch_bounds__(32) advance(const s32* result,  // [2], of argmax
                                              s32* id,            // [1]
                                              s32* length) {      // [1]
  wait_for_earlier_launches();
  if (threadIdx.x == 0) {
    *id = result[0];
    *length += 1;
  }
  allow_next_launch();
}
