// Products of small matrices by a warp, D += A B. With lane 4 g + t, for 8-bit and 16-bit elements
// (4 and 2 of them in a register, e = 4 t and 2 t below, k = 32 and 16 columns of A):
//
//          A  columns e ...   k/2 + e ...        B  column g     D  columns 2t, 2t+1
//   row g     a[0]            a[2]         rows e ...     b[0]   row g      d[0], d[1]
//   row g+8   a[1]            a[3]         rows k/2 + e   b[1]   row g+8    d[2], d[3]
#pragma once

#include "device/ptx_math.cuh"

#ifdef BP_EMULATE
namespace emu {

// What a lane hands in; `element` reads element i of a register.
template <class D>
struct product {
  D* d;
  const u32 *a, *b;
};

// D += A B over `depth` columns, each element of D summed in the order of k: in float32 with one
// rounding an addition, the products exact (16-bit factors), or in int32.
template <class D, int depth, class Left, class Right>
inline void multiply(void** lanes, Left left, Right right) {
  constexpr int in_register = depth / 8;
  D A[16][depth], B[8][depth];
  for (int lane = 0; lane < 32; ++lane) {
    const auto* const p = static_cast<const product<D>*>(lanes[lane]);
    const int g = lane / 4, e = lane % 4 * in_register;
    for (int i = 0; i < in_register; ++i) {
      for (int r = 0; r < 4; ++r) A[g + r % 2 * 8][r / 2 * depth / 2 + e + i] = left(p->a[r], i);
      for (int r = 0; r < 2; ++r) B[g][r * depth / 2 + e + i] = right(p->b[r], i);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    D* const d = static_cast<const product<D>*>(lanes[lane])->d;
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      D sum = d[i];
      for (int k = 0; k < depth; ++k) sum += A[row][k] * B[column][k];
      d[i] = sum;
    }
  }
}

template <class D>
inline void meet_to_multiply(const char* what, D* d, const u32* a, const u32* b,
                             void (*combine)(void**, unsigned)) {
  product<D> mine{d, a, b};
  const place at{what, __FILE__, __LINE__};
  bp_emu_meet(~0u, &at, &mine, combine, 0);
}

template <class H>
inline float element_16(u32 word, int i) {
  return to_float(H{static_cast<u16>(word >> 16 * i)});
}

}  // namespace emu
#endif

// Unsigned 8-bit A, signed 8-bit B, exact while D stays in int32.
BP_DEVICE void mma_u8s8(s32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#ifdef BP_EMULATE
  emu::meet_to_multiply("mma.m16n8k32", d, a, b, [](void** lanes, unsigned) {
    emu::multiply<s32, 32>(
        lanes, [](u32 word, int i) { return static_cast<s32>(word >> 8 * i & 0xff); },
        [](u32 word, int i) { return static_cast<s32>(static_cast<s8>(word >> 8 * i & 0xff)); });
  });
#elif __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else  // sm_75 has m8n8k16: two halves of the rows times two of the columns
#pragma unroll
  for (int r = 0; r < 4; ++r)
    asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
                 : "+r"(d[r % 2 * 2]), "+r"(d[r % 2 * 2 + 1])
                 : "r"(a[r]), "r"(b[r / 2]));
#endif
}

// 16-bit floats, D in float32. On the CPU each element is summed in the order of k; on a GPU the
// order inside one instruction is its own, and the sum of `depth` products differs from the exact
// one by at most depth * 2^-23 times the sum of their magnitudes either way.
template <class H>
BP_DEVICE void mma_f16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]);

template <>
BP_DEVICE void mma_f16<half>(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#ifdef BP_EMULATE
  emu::meet_to_multiply("mma.m16n8k16", d, a, b, [](void** lanes, unsigned) {
    emu::multiply<float, 16>(lanes, emu::element_16<half>, emu::element_16<half>);
  });
#elif __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else  // sm_75 has m16n8k8: the two halves of the columns one after the other
#pragma unroll
  for (int h = 0; h < 2; ++h)
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[2 * h]), "r"(a[2 * h + 1]), "r"(b[h]));
#endif
}

#if defined(BP_EMULATE) || __CUDA_ARCH__ >= 800
template <>
BP_DEVICE void mma_f16<bfloat16>(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#ifdef BP_EMULATE
  emu::meet_to_multiply("mma.m16n8k16", d, a, b, [](void** lanes, unsigned) {
    emu::multiply<float, 16>(lanes, emu::element_16<bfloat16>, emu::element_16<bfloat16>);
  });
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
#endif
