// The scale of a tensor of weights, bit for bit the one that csrc/kernels/pack/quantize.cpp finds:
// float64 sums in its order, which is cheap here too, since every row has eight of them.
#include "device/activations.cuh"

constexpr int statistics_threads = 128;
constexpr int scale_threads = 256;

// Four values with index 4 h ... 4 h + 3 of each eight, added to the sums of thread h of a row.
BP_DEVICE void add_four(const float* x, double (&sums)[4], u32& largest) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const u32 magnitude = __float_as_uint(x[i]) & 0x7fffffffu;
    sums[i] += static_cast<double>(__uint_as_float(magnitude));
    largest = max(largest, magnitude);
  }
}

// Sums of |w| and largest |w| of rows. Column k belongs to sum k % 8 of its row, and these are
// added in their order. Two threads a row, each with four sums; grid ceil(N / 64). Rows are aligned
// to 16 bytes where K is a multiple of what these hold.
template <class X>
__global__ void __launch_bounds__(statistics_threads)
    weight_statistics(const X* __restrict__ w,    // [N, K]
                      double* __restrict__ sums,  // [N]
                      u32* __restrict__ largest,  // [N], bits of a float32; infinity and more
                                                  // where one is not finite
                      int N, int K) {
  const int at = blockIdx.x * (statistics_threads / 2) + threadIdx.x / 2,
            half_of_row = threadIdx.x % 2;
  const X* row = w + static_cast<u64>(min(at, N - 1)) * K;
  double sum[4] = {};
  u32 most = 0;
#pragma unroll 2
  for (int k = 0; k < K; k += 2 * per_load<X>) {
    float x[per_load<X>];
    load_values(row, k + half_of_row * per_load<X>, K, x);
    if (per_load<X> == 4) {
      add_four(x, sum, most);
    } else {  // eight values a thread: columns 4 h ... of both eights, one half from the other
              // thread
      float earlier[4], later[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float low = x[i], high = x[per_load<X> - 4 + i];
        const float taken = __shfl_xor_sync(all_lanes, half_of_row == 0 ? high : low, 1);
        earlier[i] = half_of_row == 0 ? low : taken;
        later[i] = half_of_row == 0 ? taken : high;
      }
      add_four(earlier, sum, most);
      add_four(later, sum, most);
    }
  }
  const double before = __shfl_xor_sync(all_lanes, ((sum[0] + sum[1]) + sum[2]) + sum[3], 1);
  most = max(most, __shfl_xor_sync(all_lanes, most, 1));
  if (half_of_row == 0 || at >= N) return;
  sums[at] = (((before + sum[0]) + sum[1]) + sum[2]) + sum[3];
  largest[at] = most;
}

enum scale_rule { absmean_rule, absmax_sign_rule };

// The scale of the whole tensor from its rows, one block of 256 threads; one of them adds, row
// after row. scale and bound are NaN where a weight is not finite.
__global__ void __launch_bounds__(scale_threads)
    weight_scale(const double* __restrict__ sums,  // [N], of weight_statistics
                 const u32* __restrict__ largest,  // [N]
                 float* __restrict__ scale,        // [1]: of the format
                 float* __restrict__ bound,        // [1]: what transcode takes as its scale
                 int rule,                         // of scale_rule
                 int N, int K) {
  BP_SHARED(double, held, scale_threads);
  BP_SHARED(u32, of_warps, scale_threads / warp_lanes);
  double sum = 0;
  u32 most = 0;
  for (int begin = 0; begin < N; begin += scale_threads) {
    const int n = begin + static_cast<int>(threadIdx.x);
    if (n < N) {
      held[threadIdx.x] = sums[n];
      most = max(most, largest[n]);
    }
    __syncthreads();
    if (threadIdx.x == 0)
      for (int i = 0; i < min(scale_threads, N - begin); ++i) sum += held[i];
    __syncthreads();
  }
  most = warp_max(most);
  if (threadIdx.x % warp_lanes == 0) of_warps[threadIdx.x / warp_lanes] = most;
  __syncthreads();
  if (threadIdx.x != 0) return;
  most = largest_of(of_warps);
  float found = __uint_as_float(most), changes = 0x1.0c6f78p-19f;  // before 2e-6: |w| >= 1e-6
  if (rule == absmean_rule)
    changes = found =
        fmaxf(static_cast<float>(sum / static_cast<double>(N) / static_cast<double>(K)), 1e-5f);
  if (most >= infinity_bits) changes = found = __uint_as_float(0x7fc00000u);
  *scale = found;
  *bound = changes;
}
