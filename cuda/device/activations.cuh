// Activations as q8_act quantizes them: amax = max(1e-5, max |x|), s = 127 / amax, values =
// round_half_even(x * s), each step rounded to float32. |x * s| <= 127 (1 + 2^-22): no clamp. The
// same bits as csrc/kernels/quantize_activations.
#pragma once

#include "device/frag16x32.cuh"
#include "device/ptx.cuh"
#include "device/reduce.cuh"

constexpr u32 infinity_bits = 0x7f800000u;
constexpr float least_amax = 1e-5f;

// How many values 16 bytes hold.
template <class X>
constexpr int per_load = 16 / sizeof(X);

template <class X>
BP_DEVICE X value_at(const uint4& v, int i);

template <>
BP_DEVICE float value_at<float>(const uint4& v, int i) {
  return __uint_as_float(i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w);
}

template <class H>
BP_DEVICE H value_16(const uint4& v, int i) {
  const u32 word = i / 2 == 0 ? v.x : i / 2 == 1 ? v.y : i / 2 == 2 ? v.z : v.w;
  return {static_cast<u16>(word >> i % 2 * 16)};
}

template <>
BP_DEVICE half value_at<half>(const uint4& v, int i) {
  return value_16<half>(v, i);
}

template <>
BP_DEVICE bfloat16 value_at<bfloat16>(const uint4& v, int i) {
  return value_16<bfloat16>(v, i);
}

// Values k ... k + per_load of a row of K; zeros behind its end. One load of 16 bytes where
// `whole`: K is a multiple of per_load and the row is aligned; else one a value.
template <class X>
BP_DEVICE void load_values(const X* row, int k, int K, bool whole, float (&values)[per_load<X>]) {
  if (whole) {
    const uint4 v = k < K ? load_16(row + k) : uint4{0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < per_load<X>; ++i) values[i] = to_float(value_at<X>(v, i));
    return;
  }
#pragma unroll
  for (int i = 0; i < per_load<X>; ++i) values[i] = k + i < K ? to_float(row[k + i]) : 0.0f;
}

// Of rows that follow each other from an aligned one: all are where K is a multiple of per_load.
template <class X>
BP_DEVICE void load_values(const X* row, int k, int K, float (&values)[per_load<X>]) {
  load_values(row, k, K, K % per_load<X> == 0, values);
}

BP_DEVICE uint4 float_words(float a, float b, float c, float d) {
  return {__float_as_uint(a), __float_as_uint(b), __float_as_uint(c), __float_as_uint(d)};
}

// Word i of 16 bytes of values.
BP_DEVICE u32 word_of_values(const float* values, int i) {
  return __float_as_uint(values[i]);
}
template <class H>
BP_DEVICE u32 word_of_values(const H* values, int i) {
  return values[2 * i].bits | static_cast<u32>(values[2 * i + 1].bits) << 16;
}

// The same for storing: values k ... k + per_load of a row of K, as far as it goes.
template <class Y>
BP_DEVICE void store_values(Y* row, int k, int K, const Y (&values)[per_load<Y>]) {
  if (K % per_load<Y> == 0) {
    u32 words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) words[i] = word_of_values(values, i);
    if (k < K) store_16(row + k, {words[0], words[1], words[2], words[3]});
    return;
  }
#pragma unroll
  for (int i = 0; i < per_load<Y>; ++i)
    if (k + i < K) row[k + i] = values[i];
}

// The largest |x| of a row that this thread of `threads` sees, as bits: magnitudes order like
// integers, infinity and NaN above all numbers.
template <class X>
BP_DEVICE u32 largest_magnitude(const X* row, int K, int thread, int threads) {
  u32 largest = 0;
  for (int k = thread * per_load<X>; k < K; k += threads * per_load<X>) {
    float values[per_load<X>];
    load_values(row, k, K, values);
#pragma unroll
    for (int i = 0; i < per_load<X>; ++i)
      largest = max(largest, __float_as_uint(values[i]) & 0x7fffffffu);
  }
  return largest;
}

// s of a row whose largest magnitude is known; NaN where it holds NaN or infinity.
BP_DEVICE float scale_of(u32 magnitude) {
  if (magnitude >= infinity_bits) return __uint_as_float(0x7fc00000u);
  return __fdiv_rn(127.0f, fmaxf(least_amax, __uint_as_float(magnitude)));
}

// Four values to bytes, the first lowest; adds them to `sum`.
BP_DEVICE u32 quantize_4(const float* values, float scale, s32& sum) {
  u32 word = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const s32 value = __float2int_rn(__fmul_rn(values[i], scale));
    sum += value;
    word |= (static_cast<u32>(value) & 0xffu) << 8 * i;
  }
  return word;
}

// A block of this many warps quantizes a row.
constexpr int row_warps = 8;
constexpr int row_threads = row_warps * warp_lanes;

// The largest magnitude of a row, as bits, of what every warp left in `of_warps`.
template <int warps = row_warps>
BP_DEVICE u32 largest_of(const u32* of_warps) {
  u32 largest = 0;
#pragma unroll
  for (int i = 0; i < warps; ++i) largest = max(largest, of_warps[i]);
  return largest;
}

// float32(sum) / s * scale, each operation rounded: what apply_scales() of the CPU gives.
template <class Y>
BP_DEVICE Y with_scales(s32 sum, float s, float scale) {
  return from_float<Y>(__fmul_rn(__fdiv_rn(__int2float_rn(sum), s), scale));
}

enum number_kind { float32_kind, float16_kind, bfloat16_kind, int32_kind };

// to[place] = value, where `to` holds numbers of `kind`.
BP_DEVICE void store_as(void* to, u64 place, int kind, float value) {
  if (kind == float32_kind) {
    static_cast<float*>(to)[place] = value;
  } else if (kind == float16_kind) {
    static_cast<half*>(to)[place] = from_float<half>(value);
  } else {
    static_cast<bfloat16*>(to)[place] = from_float<bfloat16>(value);
  }
}
