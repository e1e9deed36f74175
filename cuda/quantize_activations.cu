// Activations quantized to int8, a scale a token.
#include "device/activations.cuh"

// values = q8_act of x, zeros beyond K; a row with NaN or infinity gets scale NaN. A block makes a
// row; grid M. K <= 2^24.
template <class X>
__global__ void __launch_bounds__(row_threads)
    quantize_q8_act(const X* x,                  // [M, K], aligned to 16 bytes
                    u32* __restrict__ values,    // int8[M, ceil(K / 128) * 128]
                    float* __restrict__ scales,  // [M], 127 / amax
                    s32* __restrict__ sums,      // [M]
                    int K) {
  BP_SHARED(u32, of_warps, row_warps);
  BP_SHARED(s32, sum_of_warps, row_warps);
  const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
  const X* row = x + static_cast<u64>(blockIdx.x) * K;
  u32* made = values + static_cast<u64>(blockIdx.x) * padded(K) / 4;
  wait_for_earlier_launches();

  const u32 largest = warp_max(largest_magnitude(row, K, threadIdx.x, row_threads));
  if (lane == 0) of_warps[warp] = largest;
  __syncthreads();
  const float scale = scale_of(largest_of(of_warps));

  s32 sum = 0;
  for (int k = threadIdx.x * per_load<X>; k < padded(K); k += row_threads * per_load<X>) {
    float four[per_load<X>];
    load_values(row, k, K, four);
#pragma unroll
    for (int j = 0; j < per_load<X>; j += 4) made[(k + j) / 4] = quantize_4(four + j, scale, sum);
  }
  sum = warp_sum(sum);
  if (lane == 0) sum_of_warps[warp] = sum;
  __syncthreads();
  allow_next_launch();
  if (threadIdx.x != 0) return;
  sum = 0;
  for (int i = 0; i < row_warps; ++i) sum += sum_of_warps[i];
  scales[blockIdx.x] = scale;
  sums[blockIdx.x] = sum;
}
