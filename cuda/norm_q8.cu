// A row made, normed and quantized in one launch: all that stands between two ternary products. The
// bits are those of combine, rms_norm and quantize_q8_act one after another.
#include "device/row.cuh"

constexpr int norm_loads = 4;  // of 16 bytes of an array that a thread has under way
constexpr int norm_span = norm_threads * norm_loads * 4;  // columns that a block has under way

// The first column of load i from column `first` on.
BP_DEVICE int own_column(int first, int i) {
  return first + (i * norm_threads + threadIdx.x) * 4;
}

BP_DEVICE void load_part(const float* row, int first, int K, bool whole,
                         float (&part)[norm_loads][4]) {
#pragma unroll
  for (int i = 0; i < norm_loads; ++i) load_values(row, own_column(first, i), K, whole, part[i]);
}

BP_DEVICE u32 largest_of_four(u32 largest, const float (&four)[4]) {
#pragma unroll
  for (int j = 0; j < 4; ++j) largest = max(largest, __float_as_uint(four[j]) & 0x7fffffffu);
  return largest;
}

// The row Op(a, b) into shared memory, and into a where that is kept: the sum of squares of this
// thread's columns, and the largest magnitude of them where there is no norm.
template <class Op, bool normed>
BP_DEVICE void make_row(float* a, const float* b, int K, bool whole, float* row, float& squares,
                        u32& largest) {
  for (int first = 0; first < padded(K); first += norm_span) {
    float left[norm_loads][4], right[norm_loads][4] = {};
    load_part(a, first, K, whole, left);
    if (Op::two) load_part(b, first, K, whole, right);
#pragma unroll
    for (int i = 0; i < norm_loads; ++i) {
      const int k = own_column(first, i);
      float(&four)[4] = left[i];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        four[j] = Op::of(four[j], right[i][j]);
        if (normed) squares = fmaf(four[j], four[j], squares);
      }
      if (Op::kept) store_values(a, k, K, four);
      if (!normed) largest = largest_of_four(largest, four);
      if (k < padded(K)) store_16(row + k, float_words(four[0], four[1], four[2], four[3]));
    }
  }
}

// The row times s times weight, in place; the largest magnitude of this thread's columns. `w`: the
// weights of its first span. A thread reads what it wrote itself.
BP_DEVICE u32 norm_row(const float* weight, float (&w)[norm_loads][4], float s, int K, float* row) {
  u32 largest = 0;
  for (int first = 0; first < padded(K); first += norm_span) {
    if (first > 0) load_part(weight, first, K, K % 4 == 0, w);
#pragma unroll
    for (int i = 0; i < norm_loads; ++i) {
      const int k = own_column(first, i);
      if (k >= padded(K)) break;
      const uint4 v = load_shared(row + k);
      float four[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) four[j] = __fmul_rn(__fmul_rn(value_at<float>(v, j), s), w[i][j]);
      largest = largest_of_four(largest, four);
      store_16(row + k, float_words(four[0], four[1], four[2], four[3]));
    }
  }
  return largest;
}

// values, scales and sums = q8_act of rms_norm of Op(a, b), or of Op(a, b) where it is not
// `normed`. Squares are added in the order of rms_norm. A block makes a row; grid M, dynamic shared
// memory 4 * padded(K) bytes, which bounds K.
template <class Op, bool normed>
__global__ void __launch_bounds__(norm_threads)
    norm_q8(float* a,                  // [M, stride], aligned to 16 bytes: of each row the first K
            const float* b,            // likewise; null where Op takes none
            const float* weight,       // [K], aligned to 16 bytes; null without a norm
            u32* __restrict__ values,  // int8[M, ceil(K / 128) * 128]
            float* __restrict__ scales,  // [M], 127 / amax
            s32* __restrict__ sums,      // [M]
            float eps, int stride, int K) {
  BP_DYNAMIC_SHARED(dynamic);
  BP_SHARED(u32, of_warps, norm_warps);
  BP_SHARED(s32, sum_of_warps, norm_warps);
  float* const row = reinterpret_cast<float*>(dynamic);
  const int warp = threadIdx.x / warp_lanes, lane = threadIdx.x % warp_lanes;
  const u64 from = static_cast<u64>(blockIdx.x) * stride;
  float w[norm_loads][4];
  if (normed) load_part(weight, 0, K, K % 4 == 0, w);
  wait_for_earlier_launches();
  allow_next_launch();

  float squares = 0;
  u32 largest = 0;
  make_row<Op, normed>(a + from, b + from, K, K % 4 == 0 && stride % 4 == 0, row, squares, largest);
  if (normed) largest = norm_row(weight, w, norm_factor(squares, eps, K), K, row);
  largest = warp_max(largest);
  if (lane == 0) of_warps[warp] = largest;
  __syncthreads();
  const float scale = scale_of(largest_of<norm_warps>(of_warps));

  u32* const made = values + static_cast<u64>(blockIdx.x) * padded(K) / 4;
  s32 sum = 0;
  for (int k = own_column(0, 0); k < padded(K); k += norm_threads * 4) {
    const uint4 v = load_shared(row + k);
    const float four[4] = {value_at<float>(v, 0), value_at<float>(v, 1), value_at<float>(v, 2),
                           value_at<float>(v, 3)};
    made[k / 4] = quantize_4(four, scale, sum);
  }
  sum = warp_sum(sum);
  if (lane == 0) sum_of_warps[warp] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  sum = 0;
#pragma unroll
  for (int i = 0; i < norm_warps; ++i) sum += sum_of_warps[i];
  scales[blockIdx.x] = scale;
  sums[blockIdx.x] = sum;
}
