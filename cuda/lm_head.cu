// The head of a model with int8 weights and a scale a row, and the choice of the largest logit.
#include "device/activations.cuh"

// values = round_half_even(w 127 / amax), zeros beyond K, scales = amax / 127, amax = max(1e-5, max
// |w|) of a row, each operation rounded to float32: |w - value scale| <= scale (1/2 + 2^-15). A row
// with NaN or infinity gets scale NaN and zeros. A block makes a row; grid V.
template <class X>
__global__ void __launch_bounds__(row_threads)
    quantize_head(const X* __restrict__ w,     // [V, K], aligned to 16 bytes
                  u32* __restrict__ values,    // int8[V, ceil(K / 128) * 128]
                  float* __restrict__ scales,  // [V]
                  int K) {
  BP_SHARED(u32, of_warps, row_warps);
  const X* row = w + static_cast<u64>(blockIdx.x) * K;
  u32* made = values + static_cast<u64>(blockIdx.x) * padded(K) / 4;
  const u32 largest = warp_max(largest_magnitude(row, K, threadIdx.x, row_threads));
  if (threadIdx.x % warp_lanes == 0) of_warps[threadIdx.x / warp_lanes] = largest;
  __syncthreads();
  const u32 magnitude = largest_of(of_warps);
  const float inverse = scale_of(magnitude);
  s32 sum = 0;
  for (int k = threadIdx.x * per_load<X>; k < padded(K); k += row_threads * per_load<X>) {
    float some[per_load<X>];
    load_values(row, k, K, some);
#pragma unroll
    for (int j = 0; j < per_load<X>; j += 4) made[(k + j) / 4] = quantize_4(some + j, inverse, sum);
  }
  if (threadIdx.x == 0)
    scales[blockIdx.x] = magnitude >= infinity_bits
                             ? inverse
                             : __fdiv_rn(fmaxf(least_amax, __uint_as_float(magnitude)), 127.0f);
}

// logits[m, v] = float32(sum of values x) / x_scale * scale, the sum exact: K <= 2^17. Warps of a
// block have four rows each; grid ceil(V / 32), dynamic shared memory M * padded(K) bytes.
template <int M>
__global__ void __launch_bounds__(row_threads)
    lm_head_int8(const u8* __restrict__ weights,    // int8[V, ceil(K / 128) * 128]
                 const float* __restrict__ scales,  // [V]
                 const u8* values,                  // int8[M, ceil(K / 128) * 128], of q8_act
                 const float* x_scales,             // [M], 127 / amax
                 float* __restrict__ logits,        // [M, V]
                 int V, int K) {
  constexpr int head_rows = 4, head_step = 16 * warp_lanes;  // of a warp at once
  BP_DYNAMIC_SHARED(held);
  const int lane = threadIdx.x % warp_lanes, columns = padded(K);
  const int row = blockIdx.x * row_warps * head_rows + threadIdx.x / warp_lanes * head_rows;
  wait_for_earlier_launches();
  for (int i = threadIdx.x * 16; i < M * columns; i += row_threads * 16)
    store_16(held + i, load_16(values + i));
  __syncthreads();

  s32 sums[head_rows][M] = {};
#pragma unroll 2
  for (int k = lane * 16; k < columns; k += head_step) {
    uint4 w[head_rows];
#pragma unroll
    for (int r = 0; r < head_rows; ++r)
      w[r] = load_stream(weights + static_cast<u64>(min(row + r, V - 1)) * columns + k);
#pragma unroll
    for (int m = 0; m < M; ++m) {
      const uint4 x = load_shared(held + m * columns + k);
#pragma unroll
      for (int r = 0; r < head_rows; ++r) {
        s32 sum = dp4a_ss(w[r].x, x.x, sums[r][m]);
        sum = dp4a_ss(w[r].y, x.y, sum);
        sum = dp4a_ss(w[r].z, x.z, sum);
        sums[r][m] = dp4a_ss(w[r].w, x.w, sum);
      }
    }
  }
  allow_next_launch();

  s32 mine = 0;  // lane 4 m + r has row r, token m
#pragma unroll
  for (int m = 0; m < M; ++m) {
#pragma unroll
    for (int r = 0; r < head_rows; ++r) {
      const s32 whole = warp_sum(sums[r][m]);
      if (lane == head_rows * m + r) mine = whole;
    }
  }
  const int m = lane / head_rows, v = row + lane % head_rows;
  if (m < M && v < V)
    logits[static_cast<u64>(m) * V + v] = with_scales<float>(mine, x_scales[m], scales[v]);
}

// result[m] = the lowest index of the largest value of a row of logits, 0 and -0 alike, and the
// lowest index of one that is NaN or infinite, -1 where none is; then the first means nothing.
// Blocks meet by atomics: found[m] = the maxima of (bits of a value, as integers order like it) <<
// 32 | ~index, and of 2^32 - index of what is not finite; the block that comes last makes the
// result. Grid (ceil(V / 4096), M).
__global__ void __launch_bounds__(row_threads)
    argmax(const float* logits,        // [M, V], aligned to 16 bytes
           s32* __restrict__ result,   // [M, 2]
           u64* __restrict__ found,    // [M, 2], zeros, and left so
           u32* __restrict__ arrived,  // [M], zeros, and left so
           int V) {
  constexpr int argmax_loads = 4;  // of a thread
  BP_SHARED(u64, of_warps, 2 * row_warps);
  const float* row = logits + static_cast<u64>(blockIdx.y) * V;
  u64 largest = 0, bad = 0;
  wait_for_earlier_launches();
#pragma unroll
  for (int i = 0; i < argmax_loads; ++i) {
    const int k = ((blockIdx.x * argmax_loads + i) * row_threads + threadIdx.x) * 4;
    if (k >= V) break;
    float four[4];
    load_values(row, k, V, four);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (k + j >= V) break;
      const u32 bits = __float_as_uint(four[j] == 0.0f ? 0.0f : four[j]);
      const u32 ordered = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
      const u64 key = static_cast<u64>(ordered) << 32 | ~static_cast<u32>(k + j);
      if ((bits & 0x7fffffffu) < infinity_bits) {
        largest = key > largest ? key : largest;
      } else if (bad == 0) {  // a thread's indices ascend
        bad = (1ull << 32) - (k + j);
      }
    }
  }
#pragma unroll
  for (int bit = 16; bit > 0; bit /= 2) {
    const u64 other = __shfl_xor_sync(all_lanes, largest, bit);
    const u64 other_bad = __shfl_xor_sync(all_lanes, bad, bit);
    largest = other > largest ? other : largest;
    bad = other_bad > bad ? other_bad : bad;
  }
  const int warp = threadIdx.x / warp_lanes;
  if (threadIdx.x % warp_lanes == 0) {
    of_warps[2 * warp] = largest;
    of_warps[2 * warp + 1] = bad;
  }
  __syncthreads();
  allow_next_launch();
  if (threadIdx.x != 0) return;
#pragma unroll
  for (int i = 1; i < row_warps; ++i) {
    largest = of_warps[2 * i] > largest ? of_warps[2 * i] : largest;
    bad = of_warps[2 * i + 1] > bad ? of_warps[2 * i + 1] : bad;
  }
  u64* const both = found + 2 * blockIdx.y;
  atomicMax(both, largest);
  atomicMax(both + 1, bad);
  __threadfence();
  if (atomicAdd(arrived + blockIdx.y, 1u) != gridDim.x - 1) return;
  __threadfence();
  largest = atomicMax(both, u64{0});
  bad = atomicMax(both + 1, u64{0});
  result[2 * blockIdx.y] = static_cast<s32>(~static_cast<u32>(largest));
  result[2 * blockIdx.y + 1] = bad == 0 ? -1 : static_cast<s32>((1ull << 32) - bad);
  both[0] = both[1] = 0;
  arrived[blockIdx.y] = 0;
}
