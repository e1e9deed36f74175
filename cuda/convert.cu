// Numbers of 16 bits to float32 and back.
#include "device/result.cuh"

constexpr int convert_threads = 256;
constexpr int convert_depth = 4;  // loads that a thread has under way
constexpr int convert_block = convert_threads * convert_depth * 4;  // numbers

// Four numbers at `from`, aligned to four of them.
BP_DEVICE void load_4(const float* from, float (&v)[4]) {
  const uint4 bits = load_16(from);
#pragma unroll
  for (int i = 0; i < 4; ++i) v[i] = value_at<float>(bits, i);
}

template <class H>
BP_DEVICE void load_4(const H* from, float (&v)[4]) {
  const uint2 bits = load_8(from);
#pragma unroll
  for (int i = 0; i < 4; ++i)
    v[i] = to_float(H{static_cast<u16>((i < 2 ? bits.x : bits.y) >> i % 2 * 16)});
}

template <class Y>
constexpr int kind_of = float32_kind;
template <>
constexpr int kind_of<half> = float16_kind;
template <>
constexpr int kind_of<bfloat16> = bfloat16_kind;

// y[i] = x[i], half to even; subnormal numbers stay, NaN stays NaN. Four numbers of a thread are 16
// bytes of float32 and 8 of the others, so both sides move whole lines. Grid ceil(count /
// convert_block); count < 2^31.
template <class X, class Y>
__global__ void __launch_bounds__(convert_threads)
    convert(const X* __restrict__ x,  // [count], aligned to 16 bytes
            Y* __restrict__ y,        // [count], aligned to 16 bytes
            u32 count) {
  const u32 first = blockIdx.x * convert_block + threadIdx.x * 4;
  const result_place to = {y, 0, kind_of<Y>, 1, 1};
  wait_for_earlier_launches();
  float v[convert_depth][4];
#pragma unroll
  for (int j = 0; j < convert_depth; ++j) {
    const u32 at = first + j * convert_threads * 4;
    if (at + 4 <= count) load_4(x + at, v[j]);
  }
#pragma unroll
  for (int j = 0; j < convert_depth; ++j) {
    const u32 at = first + j * convert_threads * 4;
    if (at + 4 <= count) {
      store_4(to, at, v[j]);
    } else {
      for (u32 i = at; i < count; ++i) y[i] = from_float<Y>(to_float(x[i]));
    }
  }
}
