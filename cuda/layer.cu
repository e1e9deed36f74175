// What a layer does beside its products: norms, rotation, activation functions, the residual.
// Each value is calculated in float32, every operation rounded, and rounded once more to the type
// of the result: 2^-11 of it for half, 2^-8 for bfloat16 beside the bounds below.
#include "device/rotation.cuh"
#include "device/row.cuh"

// out = x s weight in this order, s = 1 / sqrt(sum x^2 / K + eps). Thread t of 512 adds the squares
// of its columns (16 bytes of them at t, t + 512, ...) in order, fused; lanes meet 16 apart, 8, 4,
// 2, 1; warps follow each other. Bound: |out - exact| <= 2^-24 (K / 1024 + 16) |exact| where the
// squares and their sum stay finite and eps >= 2^-100. A block makes a row; grid M.
template <class X>
__global__ void __launch_bounds__(norm_threads)
    rms_norm(const X* x,           // [M, K], aligned to 16 bytes
             const float* weight,  // [K], aligned to 16 bytes
             X* out,               // [M, K], aligned; may be x
             float eps, int K) {
  const X* row = x + static_cast<u64>(blockIdx.x) * K;
  constexpr int n = per_load<X>;
  wait_for_earlier_launches();
  float sum = 0;
  for (int k = threadIdx.x * n; k < K; k += norm_threads * n) {
    float values[n];
    load_values(row, k, K, values);
#pragma unroll
    for (int i = 0; i < n; ++i) sum = fmaf(values[i], values[i], sum);
  }
  const float s = norm_factor(sum, eps, K);
  for (int k = threadIdx.x * n; k < K; k += norm_threads * n) {
    float values[n];
    load_values(row, k, K, values);
    X made[n];
#pragma unroll
    for (int j = 0; j < n; j += 4) {
      float w[4];
      load_values(weight, k + j, K, K % n == 0, w);
#pragma unroll
      for (int i = 0; i < 4; ++i)
        made[j + i] = from_float<X>(__fmul_rn(__fmul_rn(values[j + i], s), w[i]));
    }
    store_values(out + static_cast<u64>(blockIdx.x) * K, k, K, made);
  }
  allow_next_launch();
}

// out[m, k] = Op(a[m, k], b[m, k]). 16 bytes a thread where columns and stride are multiples of
// what these hold; grid (ceil(columns / (256 values of 16 bytes)), M).
template <class Op, class X>
__global__ void __launch_bounds__(row_threads)
    combine(const X* a,  // [M, stride], aligned to 16 bytes: of each row the first `columns`
            const X* b,  // likewise; gate and up of a product lie in one row
            X* out,      // [M, columns], aligned; may be a or b where stride is columns
            int stride, int columns) {
  constexpr int n = per_load<X>;
  const int k = (blockIdx.x * row_threads + threadIdx.x) * n;
  const u64 from = static_cast<u64>(blockIdx.y) * stride;
  wait_for_earlier_launches();
  if (k < columns) {
    const bool whole = columns % n == 0 && stride % n == 0;
    float left[n], right[n];
    load_values(a + from, k, columns, whole, left);
    load_values(b + from, k, columns, whole, right);
    X made[n];
#pragma unroll
    for (int i = 0; i < n; ++i) made[i] = from_float<X>(Op::of(left[i], right[i]));
    store_values(out + static_cast<u64>(blockIdx.y) * columns, k, columns, made);
  }
  allow_next_launch();
}

// Queries rotated in place, as `four_pairs` has it; rotated keys, and values, to position length -
// 1 of their caches, half to even; tokens of one sequence have positions of their own. Four pairs a
// thread, or four of the values that are only stored: what lies behind the pairs of a key, then v.
// grid (ceil(((heads + kv_heads) ceil(rope_dim / 8) + kv_heads (ceil((D - rope_dim) / 4) + D / 4))
// / 128), M).
template <bool neighbours>
__global__ void __launch_bounds__(128)
    rope_store(float* qkv,         // [M, heads + 2 kv_heads, D], D % 8 == 0; aligned to 16 bytes
               const float* cos,   // [M, rope_dim / 2], aligned to 16 bytes
               const float* sin,   // likewise
               half* keys,         // [kv_heads, capacity, D] at m * cache_stride; aligned
               half* values,       // likewise
               const s32* length,  // [M], 1 ... capacity, this token counted in
               int heads, int kv_heads, int D, int rope_dim, int capacity,
               u64 cache_stride) {  // values; 0: the tokens are of one sequence
  const int pairs = rope_dim / 2, fours = (pairs + 3) / 4, turning = (heads + kv_heads) * fours;
  const int behind = (D - rope_dim + 3) / 4, stored = behind + D / 4;  // of a KV head
  const int at = blockIdx.x * 128 + threadIdx.x, left = at - turning;
  const u64 m = blockIdx.y;
  wait_for_earlier_launches();
  const u64 place = m * cache_stride + static_cast<u64>(length[m] - 1) * D;
  const u64 apart = static_cast<u64>(capacity) * D;  // heads of the cache
  float* const row = qkv + m * (heads + 2 * kv_heads) * D;
  if (left < 0) {
    const int head = at / fours;
    four_pairs<neighbours> turned(at % fours * 4, pairs);
    turned.load(row + head * D, cos + m * pairs, sin + m * pairs);
    if (head < heads) {
      turned.store(row + head * D);
    } else {
      turned.store(keys + place + (head - heads) * apart);
    }
  } else if (left < kv_heads * stored) {
    const int kv = left / stored, part = left % stored;
    const bool key = part < behind;
    const int k = key ? rope_dim + part * 4 : (part - behind) * 4;
    const float* const from = row + (heads + (key ? 0 : kv_heads) + kv) * D;
    half* const to = (key ? keys : values) + place + kv * apart;
    float four[4];
    load_values(from, k, D, k % 4 == 0, four);
    if (k % 4 == 0) {
      store_four(to + k, four[0], four[1], four[2], four[3]);
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j)
        if (k + j < D) to[k + j] = from_float<half>(four[j]);
    }
  }
  allow_next_launch();
}
