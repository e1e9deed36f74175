// Ternary weights times one or two tokens: y = x @ W.T, exact in int32 until the scales.
#include "device/activations.cuh"
#include "device/frag16x32.cuh"

constexpr int gemv_depth = 8;  // loads of weights that a warp has under way, at most

// Of rows g and g + 8, times 1, 4, 16, 64: codes are taken out of a word where they stand, without
// a shift. A lane meets K / 64 columns: |sum| <= 64 * 2 * 127 * K / 64, so K <= 2^16 is far inside;
// each is a multiple of its factor.
struct gemv_sums {
  s32 at[4];
};

// A row of x into shared memory in the order in which lanes take it; the sum of this thread's.
//   word of columns k ... k+3:  [k / 128][k / 4 % 4 = t][k / 32 % 4 = tile][k / 16 % 2 = half]
template <class X>
BP_DEVICE s32 quantize_row(const X* row, int K, float scale, u32* words) {
  s32 sum = 0;
  for (int k = threadIdx.x * per_load<X>; k < padded(K); k += row_threads * per_load<X>) {
    float values[per_load<X>];
    load_values(row, k, K, values);
    u32 made[per_load<X> / 4];
#pragma unroll
    for (int j = 0; j < per_load<X> / 4; ++j) made[j] = quantize_4(values + 4 * j, scale, sum);
    const int at = k / 128 * 32 + k / 4 % 4 * 8 + k / 32 % 4 * 2 + k / 16 % 2;
    if (per_load<X> == 4) {
      words[at] = made[0];
    } else {  // lanes l and l + 16 meet in a bank: they write their two words in opposite order
      const int late = threadIdx.x / 16 % 2;
      words[at + 8 * late] = late ? made[per_load<X> / 4 - 1] : made[0];
      words[at + 8 - 8 * late] = late ? made[0] : made[per_load<X> / 4 - 1];
    }
  }
  return sum;
}

// Between two steps of a warp, in loads of 16 bytes and in words of activations.
constexpr int gemv_stride = row_warps * warp_lanes;
constexpr int token_parts = row_warps * 16 + 16;  // a second token's lie in other banks

// One step: 4 words of 16 codes each, with 8 words of activations.
BP_DEVICE void add_step(const uint4& w, const u32* words, gemv_sums& sums) {
  const uint4 x0 = load_shared(words), x1 = load_shared(words + 4);
  const u32 code[4] = {w.x, w.y, w.z, w.w};
  const u32 x[8] = {x0.x, x0.y, x0.z, x0.w, x1.x, x1.y, x1.z, x1.w};
#pragma unroll
  for (int tile = 0; tile < 4; ++tile) {
#pragma unroll
    for (int r = 0; r < 4; ++r)
      sums.at[r] = dp4a_us(code[tile] & codes << 2 * r, x[2 * tile + r / 2], sums.at[r]);
  }
}

// The sums of rows g (r = 0) and g + 8 (r = 1) over the four lanes of a row.
BP_DEVICE s32 row_sum(const gemv_sums& sums, int r) {
  s32 sum = (sums.at[r] >> 2 * r) + (sums.at[r + 2] >> 2 * (r + 2));
  sum += __shfl_xor_sync(all_lanes, sum, 1);
  return sum + __shfl_xor_sync(all_lanes, sum, 2);
}

// s of each token, from the whole block.
template <int M, class X>
BP_DEVICE void find_scales(const X* x, int K, float (&scale)[M]) {
  BP_SHARED(u32, of_warps, M * row_warps);
#pragma unroll
  for (int m = 0; m < M; ++m) {
    const X* row = x + static_cast<u64>(m) * K;
    const u32 largest = warp_max(largest_magnitude(row, K, threadIdx.x, row_threads));
    if (threadIdx.x % warp_lanes == 0) of_warps[m * row_warps + threadIdx.x / warp_lanes] = largest;
  }
  __syncthreads();
#pragma unroll
  for (int m = 0; m < M; ++m) scale[m] = scale_of(largest_of(of_warps + m * row_warps));
}

// The weights of 16 rows that a warp multiplies: steps warp, warp + 8, ... of their columns. What
// `w` holds is under way.
template <int depth>
struct gemv_ring {
  const uint4* from;
  int steps, left;  // of all warps; of this one
  uint4 w[depth];

  BP_DEVICE gemv_ring(const uint4* weights, int K) {
    const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
    steps = padded(K) / step_columns;
    left = (steps - warp + row_warps - 1) / row_warps;
    from = weights + (static_cast<u64>(blockIdx.x) * steps + warp) * warp_lanes + lane;
#pragma unroll
    for (int i = 0; i < depth; ++i)
      if (i < left) w[i] = load_stream(from + i * gemv_stride);
  }

  // All of its steps times M tokens in `words`.
  template <int M>
  BP_DEVICE void multiply(const u32* words, gemv_sums (&sums)[M]) {
    const u32* taken = words + threadIdx.x / warp_lanes * warp_lanes + threadIdx.x % 4 * 8;
    for (; left >= 2 * depth; left -= depth) {
      from += depth * gemv_stride;
#pragma unroll
      for (int i = 0; i < depth; ++i) {
        add_tokens(i, taken, sums);
        w[i] = load_stream(from + i * gemv_stride);
      }
      taken += depth * gemv_stride;
    }
    for (; left > 0; left -= depth) {
      from += depth * gemv_stride;
#pragma unroll
      for (int i = 0; i < depth; ++i) {
        if (i >= left) break;
        add_tokens(i, taken, sums);
        if (i + depth < left) w[i] = load_stream(from + i * gemv_stride);
      }
      taken += depth * gemv_stride;
    }
  }

  template <int M>
  BP_DEVICE void add_tokens(int i, const u32* taken, gemv_sums (&sums)[M]) {
#pragma unroll
    for (int m = 0; m < M; ++m)
      add_step(w[i], taken + m * steps * warp_lanes + i * gemv_stride, sums[m]);
  }
};

// The sums of a warp to its place in `parts`, for `row_of_block` behind a barrier.
template <int M>
BP_DEVICE void leave_sums(const gemv_sums (&sums)[M], s32* parts) {
  const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
#pragma unroll
  for (int m = 0; m < M; ++m) {
    const s32 low = row_sum(sums[m], 0), high = row_sum(sums[m], 1);
    s32* part = parts + m * token_parts + warp * 16;
    if (lane % 4 == 0) {
      part[lane / 4] = low;
      part[lane / 4 + 8] = high;
    }
  }
}

// The sum of codes times values of token m in row r of the block.
BP_DEVICE s32 row_of_block(const s32* parts, int m, int r) {
  s32 sum = 0;
#pragma unroll
  for (int i = 0; i < row_warps; ++i) sum += parts[m * token_parts + i * 16 + r];
  return sum;
}

// y = x @ W.T for M = 1 or 2 tokens, activations quantized on the way. A block makes 16 rows; grid
// ceil(N / 16), dynamic shared memory M * padded(K) bytes, which bounds K. A token with NaN or
// infinity gives NaN.
template <int M, class X, class Y>
__global__ void __launch_bounds__(row_threads, 2)
    gemv_w2a8(const uint4* __restrict__ weights,  // frag16x32 of [N, K]
              const X* x,                         // [M, K], aligned to 16 bytes
              const float* __restrict__ scales,   // [ceil(N / 16)], of each 16 rows
              Y* __restrict__ y,                  // [M, N]
              int N, int K) {
  BP_DYNAMIC_SHARED(dynamic);
  BP_SHARED(s32, parts, M * token_parts);
  BP_SHARED(s32, x_sums, M * row_warps);
  u32* words = reinterpret_cast<u32*>(dynamic);
  gemv_ring<gemv_depth> ring(weights, K);  // under way before anything is waited for
  wait_for_earlier_launches();

  float scale[M];
  s32 x_sum[M];
  find_scales(x, K, scale);
#pragma unroll
  for (int m = 0; m < M; ++m)
    x_sum[m] = quantize_row(x + static_cast<u64>(m) * K, K, scale[m], words + m * padded(K) / 4);
  __syncthreads();

  gemv_sums sums[M] = {};
  ring.multiply(words, sums);
  leave_sums(sums, parts);
#pragma unroll
  for (int m = 0; m < M; ++m) {
    const s32 whole = warp_sum(x_sum[m]);
    if (threadIdx.x % warp_lanes == 0) x_sums[m * row_warps + threadIdx.x / warp_lanes] = whole;
  }
  __syncthreads();
  allow_next_launch();

  const int m = threadIdx.x / 16, row = blockIdx.x * 16 + threadIdx.x % 16;
  if (m >= M || row >= N) return;
  s32 sum = row_of_block(parts, m, threadIdx.x % 16);
#pragma unroll
  for (int i = 0; i < row_warps; ++i) sum -= x_sums[m * row_warps + i];
  y[static_cast<u64>(m) * N + row] =
      with_scales<Y>(sum, m == 0 ? scale[0] : scale[M - 1], scales[blockIdx.x]);
}

// 16 bytes i of the values of all tokens into shared memory in the order in which lanes take them:
// word t of them to [i / 8][t][i % 8]. Of 32 lanes in a row eight write word t, eight word t + 1,
// ...: each to a bank of its own.
BP_DEVICE void store_in_order(const uint4& v, u32 i, u32* words) {
  const u32 turn = i / 8 % 4;
  const bool one = turn % 2 != 0, two = turn / 2 != 0;
  const u32 a[4] = {one ? v.y : v.x, one ? v.z : v.y, one ? v.w : v.z, one ? v.x : v.w};
#pragma unroll
  for (u32 j = 0; j < 4; ++j)
    words[i / 8 * 32 + (j + turn) % 4 * 8 + i % 8] = two ? a[(j + 2) % 4] : a[j];
}

// The same product of activations that are quantized already.
template <int M>
__global__ void __launch_bounds__(row_threads, 2)
    gemv_w2a8_q8(const uint4* __restrict__ weights,  // frag16x32 of [N, K]
                 const s8* values,                   // [M, ceil(K / 128) * 128], zeros beyond K
                 const float* x_scales,              // [M], 127 / amax
                 const s32* x_sums,                  // [M], of values
                 const float* scales,                // [ceil(N / 16)], of each 16 rows
                 float* __restrict__ y,              // [M, N]
                 int N, int K) {
  constexpr u32 ahead = 2;  // loads of values that a thread has under way
  BP_DYNAMIC_SHARED(dynamic);
  BP_SHARED(s32, parts, M * token_parts);
  BP_SHARED(s32, token_sum, M);  // what the end needs, under way with the rest
  BP_SHARED(float, token_scale, M + 1);
  u32* words = reinterpret_cast<u32*>(dynamic);
  gemv_ring<M == 1 ? gemv_depth : gemv_depth / 2> ring(weights, K);  // with 8 it would spill
  float scale = threadIdx.x == M ? scales[blockIdx.x] : 0.0f;
  wait_for_earlier_launches();
  if (threadIdx.x < M) scale = x_scales[threadIdx.x];
  const s32 sum = threadIdx.x < M ? x_sums[threadIdx.x] : 0;
  const u32 loads = M * padded(K) / 16;
  for (u32 first = threadIdx.x; first < loads; first += ahead * row_threads) {
    uint4 v[ahead];
#pragma unroll
    for (u32 j = 0; j < ahead; ++j)
      if (first + j * row_threads < loads) v[j] = load_16(values + 16 * (first + j * row_threads));
#pragma unroll
    for (u32 j = 0; j < ahead; ++j)
      if (first + j * row_threads < loads) store_in_order(v[j], first + j * row_threads, words);
  }
  if (threadIdx.x < M) token_sum[threadIdx.x] = sum;
  if (threadIdx.x <= M) token_scale[threadIdx.x] = scale;
  __syncthreads();

  gemv_sums sums[M] = {};
  ring.multiply(words, sums);
  leave_sums(sums, parts);
  __syncthreads();
  allow_next_launch();
  const int m = threadIdx.x / 16, row = blockIdx.x * 16 + threadIdx.x % 16;
  if (m < M && row < N)
    y[static_cast<u64>(m) * N + row] = with_scales<float>(
        row_of_block(parts, m, threadIdx.x % 16) - token_sum[m], token_scale[m], token_scale[M]);
}
