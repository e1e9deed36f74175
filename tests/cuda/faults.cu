// Kernels that do what none may do, one fault each, for blocks of 64 threads.
#include "device/ptx.cuh"
#include "device/reduce.cuh"

__global__ void past_the_end(const float* in, float* out, int count) {
  out[threadIdx.x] = in[threadIdx.x + 1 < count + 1u ? threadIdx.x + 1 : 0];
}

__global__ void before_the_begin(const float* in, float* out, int count) {
  if (threadIdx.x == 5) out[-1] = in[count - 1];
}

__global__ void far_away(const float* in, float* out, int count) {
  if (threadIdx.x == 63) out[0] = in[static_cast<long long>(count) << 30];
}

__global__ void misaligned(const float* in, float* out, int) {
  out[threadIdx.x] = __uint_as_float(load_16(in + threadIdx.x % 2).x);
}

__global__ void past_shared(const float* in, float* out, int count) {
  BP_SHARED(float, held, 64);
  held[threadIdx.x + (count == 64)] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = held[threadIdx.x];
}

__global__ void past_dynamic_shared(const float* in, float* out, int) {
  BP_DYNAMIC_SHARED(held);
  reinterpret_cast<float*>(held)[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = in[threadIdx.x];
}

__global__ void never_written(const float* in, float* out, int) {
  BP_SHARED(float, held, 64);
  if (threadIdx.x != 7) held[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = held[threadIdx.x];
}

__global__ void no_barrier(const float* in, float* out, int) {
  BP_SHARED(float, held, 64);
  held[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = held[threadIdx.x / 32 == 0 ? threadIdx.x : threadIdx.x - 32];
}

__global__ void no_warp_barrier(const float* in, float* out, int) {
  BP_SHARED(float, held, 64);
  held[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = held[threadIdx.x ^ 1];
}

// A shuffle orders registers, not memory.
__global__ void shuffle_for_barrier(const float* in, float* out, int) {
  BP_SHARED(float, held, 64);
  held[threadIdx.x] = in[threadIdx.x];
  const u32 largest = warp_max(threadIdx.x);
  out[threadIdx.x] = held[threadIdx.x ^ 1] + static_cast<float>(largest);
}

__global__ void no_second_barrier(const float* in, float* out, int count) {
  BP_SHARED(float, held, 64);
  float sum = 0;
  for (int i = 0; i < 2 * count; i += 64) {
    held[threadIdx.x] = in[(i + threadIdx.x) % count];
    __syncthreads();
    sum += held[63 - threadIdx.x];
  }
  out[threadIdx.x] = sum;
}

__global__ void no_copy_wait(const float* in, float* out, int) {
  BP_SHARED(float, held, 256);
  copy_async(held + threadIdx.x * 4, in, true);
  copy_commit();
  __syncthreads();
  out[threadIdx.x] = held[threadIdx.x];
}

__global__ void copy_wait_too_weak(const float* in, float* out, int) {
  BP_SHARED(float, held, 512);
  for (int i = 0; i < 2; ++i) {
    copy_async(held + i * 256 + threadIdx.x * 4, in, true);
    copy_commit();
  }
  copy_wait<1>();
  __syncthreads();
  out[threadIdx.x] = held[256 + threadIdx.x];
}

__global__ void copied_over_what_is_read(const float* in, float* out, int) {
  BP_SHARED(float, held, 256);
  copy_async(held + threadIdx.x * 4, in, true);
  copy_commit();
  copy_wait<0>();
  __syncthreads();
  out[threadIdx.x] = held[255 - threadIdx.x * 4];
  copy_async(held + threadIdx.x * 4, in, true);
  copy_wait<0>();
}

__global__ void barrier_for_some(const float* in, float* out, int) {
  if (threadIdx.x < 40) __syncthreads();
  out[threadIdx.x] = in[threadIdx.x] + static_cast<float>(warp_max(threadIdx.x));
  while (threadIdx.x == 50) __syncwarp(1u << 18 | 1u << 19);
}

__global__ void two_barriers(const float* in, float* out, int) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = in[threadIdx.x];
}

__global__ void shuffle_in_a_branch(const float* in, float* out, int) {
  float value = in[threadIdx.x];
  if (threadIdx.x % 2 == 0) value = __shfl_xor_sync(all_lanes, value, 2);
  __syncthreads();
  out[threadIdx.x] = value;
}

__global__ void shuffle_from_outside(const float* in, float* out, int) {
  float value = in[threadIdx.x];
  if (threadIdx.x % 32 < 16) value = __shfl_sync(0xffffu, value, 20);
  out[threadIdx.x] = value;
}

__global__ void shuffle_after_exit(const float* in, float* out, int) {
  if (threadIdx.x == 3) return;
  out[threadIdx.x] = __shfl_xor_sync(all_lanes, in[threadIdx.x], 1);
}

__global__ void written_by_two_blocks(const float* in, float* out, int) {
  if (blockIdx.x == 1 || threadIdx.x > 3) out[threadIdx.x] = in[threadIdx.x];
}

__global__ void read_from_another_block(const float* in, float* out, int) {
  if (blockIdx.x == 0 && threadIdx.x == 9) out[9] = in[9];
  if (blockIdx.x == 1 && threadIdx.x == 0) out[0] = out[9];
}

// The block that comes last to bit 0 of out[60] reads what the other wrote.
BP_DEVICE void read_by_the_last(float* out, bool fence_before, bool fence_behind) {
  BP_SHARED(u32, last, 1);
  out[4 * blockIdx.x + threadIdx.x % 4] = 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    if (fence_before) __threadfence();
    *last = atomicAdd(reinterpret_cast<u32*>(out + 60), 1u) & 1u;
    if (fence_behind) __threadfence();
  }
  __syncthreads();
  if (*last != 0) out[8 + threadIdx.x % 4] = out[threadIdx.x % 4] + out[4 + threadIdx.x % 4];
}

__global__ void no_fence_before(const float*, float* out, int) {
  read_by_the_last(out, false, true);
}

__global__ void no_fence_behind(const float*, float* out, int) {
  read_by_the_last(out, true, false);
}

__global__ void both_fences(const float*, float* out, int) {
  read_by_the_last(out, true, true);
}

__global__ void written_through_const(const float* in, float* out, int) {
  const_cast<float*>(in)[threadIdx.x] = out[threadIdx.x];
}

__global__ void barrier_of_the_others(const float* in, float* out, int) {
  BP_SHARED(float, held, 64);
  held[threadIdx.x] = in[threadIdx.x];
  barrier_sync(1 + threadIdx.x / 32, 32);  // of each warp alone
  out[threadIdx.x] = held[63 - threadIdx.x];
}

__global__ void nothing_wrong(const float* in, float* out, int) {
  BP_SHARED(float, held, 64);
  BP_DYNAMIC_SHARED(more);
  held[threadIdx.x] = in[threadIdx.x];
  if (threadIdx.x % 16 == 0) copy_async(more + threadIdx.x, in, threadIdx.x != 0);
  copy_commit();
  __syncwarp();
  const float neighbour = held[threadIdx.x ^ 1];
  copy_wait<0>();
  barrier_sync(3, 64);
  if (blockIdx.x != 0) return;
  const bool any = __any_sync(all_lanes, neighbour > 1e9f);
  const u32 even = __ballot_sync(all_lanes, threadIdx.x % 2 == 0);
  if (any || even != 0x55555555u) return;
  out[threadIdx.x] =
      neighbour + held[63 - threadIdx.x] + reinterpret_cast<float*>(more)[threadIdx.x / 4];
}

// Those that may begin before the end of the launch before, which may write `out` and not `in`.
__global__ void reads_too_early(const float* in, float* out, int) {
  const float before = blockIdx.x == 0 ? out[threadIdx.x] : 0.0f;
  wait_for_earlier_launches();
  if (blockIdx.x == 0) out[threadIdx.x] = before + in[threadIdx.x];
}

__global__ void writes_too_early(const float* in, float* out, int) {
  if (blockIdx.x == 0) out[threadIdx.x] = in[threadIdx.x];
  wait_for_earlier_launches();
}

__global__ void some_do_not_wait(const float* in, float* out, int) {
  if (threadIdx.x == 9) return;
  wait_for_earlier_launches();
  if (blockIdx.x == 0) out[threadIdx.x] = in[threadIdx.x];
}

__global__ void waits(const float* in, float* out, int) {
  const float value = in[threadIdx.x];
  wait_for_earlier_launches();
  if (blockIdx.x == 0) out[threadIdx.x] = value;
}
