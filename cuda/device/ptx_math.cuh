// Arithmetic and conversions in registers.
#pragma once

#include "device/types.cuh"

// c + the sum over four bytes of a (unsigned) times b (signed); wraps.
BP_DEVICE s32 dp4a_us(u32 a, u32 b, s32 c) {
#ifdef BP_EMULATE
  for (int i = 0; i < 32; i += 8)
    c += static_cast<s32>(a >> i & 0xff) * static_cast<s32>(static_cast<s8>(b >> i & 0xff));
  return c;
#else
  s32 d;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
#endif
}

// The same of two signed words.
BP_DEVICE s32 dp4a_ss(u32 a, u32 b, s32 c) {
#ifdef BP_EMULATE
  for (int i = 0; i < 32; i += 8)
    c += static_cast<s32>(static_cast<s8>(a >> i & 0xff)) *
         static_cast<s32>(static_cast<s8>(b >> i & 0xff));
  return c;
#else
  s32 d;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
#endif
}

// (a & b) | c, one instruction.
BP_DEVICE u32 and_or(u32 a, u32 b, u32 c) {
#ifdef BP_EMULATE
  return (a & b) | c;
#else
  u32 d;
  asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
#endif
}

// Four bytes of {b, a}, byte i chosen by the low three bits of nibble i of `which`.
BP_DEVICE u32 permute(u32 a, u32 b, u32 which) {
#ifdef BP_EMULATE
  const u64 both = static_cast<u64>(b) << 32 | a;
  u32 d = 0;
  for (int i = 0; i < 4; ++i)
    d |= static_cast<u32>(both >> (which >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  return d;
#else
  u32 d;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(which));
  return d;
#endif
}

BP_DEVICE float to_float(float x) {
  return x;
}

// Exact.
BP_DEVICE float to_float(half x) {
#ifdef BP_EMULATE
  const u32 sign = static_cast<u32>(x.bits & 0x8000) << 16, rest = x.bits & 0x7fff;
  if (rest >= 0x7c00) return __uint_as_float(sign | 0x7f800000u | rest << 13);
  if (rest >= 0x0400) return __uint_as_float(sign | ((rest << 13) + (112u << 23)));
  const float small = static_cast<float>(rest) * 0x1p-24f;
  return sign != 0 ? -small : small;
#else
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
#endif
}

// Exact.
BP_DEVICE float to_float(bfloat16 x) {
  return __uint_as_float(static_cast<u32>(x.bits) << 16);
}

template <class T>
BP_DEVICE T from_float(float x);

template <>
BP_DEVICE float from_float<float>(float x) {
  return x;
}

// Half to even; NaN becomes 0x7fff.
template <>
BP_DEVICE half from_float<half>(float x) {
#ifdef BP_EMULATE
  const u32 word = __float_as_uint(x), sign = word >> 16 & 0x8000, rest = word & 0x7fffffff;
  if (rest > 0x7f800000u) return {0x7fff};
  if (rest >= 0x477ff000u) return {static_cast<u16>(sign | 0x7c00)};  // 65520 and more
  if (rest < 0x38800000u) {  // below 2^-14: a multiple of 2^-24
    const float steps = __uint_as_float(rest) * 0x1p24f;
    return {static_cast<u16>(sign | static_cast<u32>(__float2int_rn(steps)))};
  }
  const u32 rounded = rest + 0xfffu + (rest >> 13 & 1) - (112u << 23);
  return {static_cast<u16>(sign | rounded >> 13)};
#else
  half y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#endif
}

// Half to even; NaN becomes 0x7fff.
template <>
BP_DEVICE bfloat16 from_float<bfloat16>(float x) {
#if !defined(BP_EMULATE) && __CUDA_ARCH__ >= 900
  bfloat16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
#else
  const u32 word = __float_as_uint(x);
  if ((word & 0x7fffffff) > 0x7f800000u) return {0x7fff};
  return {static_cast<u16>((word + 0x7fff + (word >> 16 & 1)) >> 16)};
#endif
}

// a b + c in both halves of the words, where each is a number of H: nothing is rounded away. The
// CPU fails where it is.
template <class H>
BP_DEVICE u32 exact_fma_2(u32 a, u32 b, u32 c);

#ifdef BP_EMULATE
namespace emu {

template <class H>
inline u32 exact_fma(u32 a, u32 b, u32 c) {
  const auto number = [](u32 bits) { return double{to_float(H{static_cast<u16>(bits)})}; };
  const double exact = number(a) * number(b) + number(c);
  const H rounded = from_float<H>(static_cast<float>(exact));
  if (to_float(rounded) != exact) bp_emu_fail("exact_fma_2: the result is no 16-bit number");
  return rounded.bits;
}

}  // namespace emu
#endif

template <>
BP_DEVICE u32 exact_fma_2<half>(u32 a, u32 b, u32 c) {
#ifdef BP_EMULATE
  return emu::exact_fma<half>(a, b, c) | emu::exact_fma<half>(a >> 16, b >> 16, c >> 16) << 16;
#else
  u32 d;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
#endif
}

#if defined(BP_EMULATE) || __CUDA_ARCH__ >= 800
template <>
BP_DEVICE u32 exact_fma_2<bfloat16>(u32 a, u32 b, u32 c) {
#ifdef BP_EMULATE
  return emu::exact_fma<bfloat16>(a, b, c) | emu::exact_fma<bfloat16>(a >> 16, b >> 16, c >> 16)
                                                 << 16;
#else
  u32 d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
#endif
}
#endif
