// What a layer does beside its products: norms, rotation, activation functions, the residual.
// Each value is calculated in float32, every operation rounded, and rounded once more to the type
// of the result: 2^-11 of it for half, 2^-8 for bfloat16 beside the bounds below.
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

// Rotary position embedding in place: a' = a cos - b sin, b' = a sin + b cos of pairs i of each
// head, (i, i + rope_dim / 2) or, `neighbours`, (2 i, 2 i + 1); bit for bit the CPU's. Four pairs a
// thread; grid (ceil(heads * ceil(rope_dim / 8) / 128), M).
template <bool neighbours>
__global__ void __launch_bounds__(128)
    rope(float* x,          // [M, row_stride]: heads of head_dim; aligned to 16 bytes
         const float* cos,  // [M, rope_dim / 2], aligned to 16 bytes
         const float* sin,  // likewise
         int heads, int head_dim, int row_stride, int rope_dim) {
  const int pairs = rope_dim / 2, fours = (pairs + 3) / 4;
  const int at = blockIdx.x * 128 + threadIdx.x, i = at % fours * 4;
  const u64 m = blockIdx.y;
  wait_for_earlier_launches();
  if (at < heads * fours) {
    const bool whole = pairs % 4 == 0 && head_dim % 4 == 0 && row_stride % 4 == 0;
    float* const head = x + m * row_stride + at / fours * head_dim;
    float c[4], s[4], low[4], high[4], a[4], b[4];
    load_values(cos + m * pairs, i, pairs, whole, c);
    load_values(sin + m * pairs, i, pairs, whole, s);
    float* const first = head + (neighbours ? 2 * i : i);
    float* const second = first + (neighbours ? 4 : pairs);
    const int left = pairs - i, of_first = neighbours ? 2 * left : left;
    load_values(first, 0, of_first, whole, low);
    load_values(second, 0, neighbours ? of_first - 4 : left, whole, high);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      a[j] = !neighbours ? low[j] : j < 2 ? low[2 * j % 4] : high[2 * j % 4];
      b[j] = !neighbours ? high[j] : j < 2 ? low[2 * j % 4 + 1] : high[2 * j % 4 + 1];
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const float turned = __fadd_rn(__fmul_rn(a[j], c[j]), -__fmul_rn(b[j], s[j]));
      b[j] = __fadd_rn(__fmul_rn(a[j], s[j]), __fmul_rn(b[j], c[j]));
      a[j] = turned;
    }
    if (whole) {
      store_16(first, neighbours ? float_words(a[0], b[0], a[1], b[1])
                                 : float_words(a[0], a[1], a[2], a[3]));
      store_16(second, neighbours ? float_words(a[2], b[2], a[3], b[3])
                                  : float_words(b[0], b[1], b[2], b[3]));
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (j >= left) break;
        head[neighbours ? 2 * (i + j) : i + j] = a[j];
        head[neighbours ? 2 * (i + j) + 1 : i + j + pairs] = b[j];
      }
    }
  }
  allow_next_launch();
}
