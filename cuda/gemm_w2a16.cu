// Ternary weights times 16-bit activations, summed in float32.
#include "device/gemm_w2a16.cuh"

// y = x @ W.T * scale: products are exact, sums in float32, then one rounding by the scale and one
// to the kind of y. Sums grow in steps of 16 columns; within a step the tensor core's order holds
// (ptx_mma.cuh), on the CPU that of the picture in gemm_w2a16.cuh: |error of a sum| <= K 2^-23 sum
// |x w|.
//
// A block makes T::block_tiles * 16 rows of T::block_tokens tokens; grid ceil(N / rows), ceil(M /
// tokens). With `aligned`, x and its rows begin at multiples of 16 bytes. Dynamic shared memory
// T::shared.
template <class T, class H, bool aligned>
__global__ void __launch_bounds__(T::threads, T::blocks)
    gemm_w2a16(const uint4* __restrict__ weights,  // frag16x32 of [N, K]
               const H* x,                         // [M, K], a row x_row numbers after the last
               const float* __restrict__ scales,   // [ceil(N / 16)], of each 16 rows
               void* __restrict__ y,               // [M, N] of `kind`
               int kind,                           // of number_kind
               int M, int N, int K, u64 x_row) {
  BP_DYNAMIC_SHARED(stages);
  const position<T> at;
  const int token = blockIdx.y * T::block_tokens, steps = padded(K) / step_columns;
  weight_ring<T> ring(weights, (N + 15) / 16, {nullptr, M - token, steps, 0, steps}, at);
#pragma unroll
  for (int s = 0; s < T::stages; ++s) ring.load(s);
  wait_for_earlier_launches();
  panel_copy<H, turned_by_pair, T::block_tokens, 2, T::threads, aligned> copy(x, x_row, token, 0, M,
                                                                              K);
#pragma unroll
  for (int s = 0; s < T::stages - 1; ++s) {
    copy.begin(stages + s * T::stage_bytes);
    copy.move_right();
    copy_commit();
  }

  const int row = at.m * 8 * T::tokens + at.lane / 4, t = at.lane % 4;
  const int taken = row * panel_row + (t / 2 ^ turned_by_pair::turn(row)) * 16 + t % 2 * 8;
  w2a16_sums<T> sums;
  for (int left = steps; left > 0; left -= T::stages) {
#pragma unroll
    for (int s = 0; s < T::stages; ++s) {
      if (s >= left) break;
      copy_wait<T::stages - 2>();
      __syncthreads();  // this stage is there for all, the one before it is read by all
      copy.begin(stages + (s + T::stages - 1) % T::stages * T::stage_bytes);
      copy.move_right();
      copy_commit();
      multiply_step_16<T, H>(ring.w[s], stages + s * T::stage_bytes, taken, sums);
      ring.load(s + T::stages);
    }
    ring.advance(T::stages);
  }
  copy_wait<0>();
  __syncthreads();  // nobody reads or fills a stage any more
  allow_next_launch();

  float* const held = reinterpret_cast<float*>(stages);
  sums.keep(held, at);
  __syncthreads();
  store_result<typename T::result>(held, {y, static_cast<u64>(N), kind, M, N}, token,
                                   blockIdx.x * T::block_tiles * 16,
                                   [&](int n) { return scales[n / 16]; });
}
