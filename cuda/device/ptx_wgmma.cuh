// Products by a warpgroup of Hopper, out of shared memory: sm_90a alone.
#pragma once

#include "device/ptx_mma.cuh"

#ifdef BP_EMULATE
namespace emu {

// Piece p of a row, counted from the columns that `from` points to.
inline const char* piece_of_row(const char* from, int row, int p) {
  const u64 at = reinterpret_cast<u64>(from) % 128 / 16;
  return from - at * 16 + row * 128 + (((at + p) ^ (row & 7)) * 16);
}

// d[j] of columns 8 j ... += rows of A times rows of B, each sum in the order of the columns.
template <class N, int rows, int depth>
inline void add_products(N (*d)[4], int lane, N (&a)[16][depth], N (&b)[rows][depth]) {
  for (int i = 0; i < rows / 8 * 4; ++i) {
    const int row = lane / 4 + i % 4 / 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
    for (int k = 0; k < depth; ++k) d[i / 4][i % 4] += a[row][k] * b[column][k];
  }
}

// Factors of a product of 16-bit numbers.
template <class H>
struct shared_factors {
  const char *a, *b;

  struct part {
    float (*d)[4];
    shared_factors f;
    int first_row;
  };

  static void combine(void** lanes, unsigned) {
    const part& any = *static_cast<const part*>(lanes[0]);
    float a[16][16], b[256][16];
    for (int row = 0; row < 256 + 16; ++row) {
      for (int p = 0; p < 2; ++p) {
        u16 bits[8];
        const char* const from = row < 256 ? piece_of_row(any.f.b, row, p)
                                           : piece_of_row(any.f.a, any.first_row + row - 256, p);
        bp_emu_read_as(row % 32, bits, from, 16);
        for (int i = 0; i < 8; ++i)
          (row < 256 ? b[row] : a[row - 256])[p * 8 + i] = to_float(H{bits[i]});
      }
    }
    for (int lane = 0; lane < 32; ++lane)
      add_products(static_cast<const part*>(lanes[lane])->d, lane, a, b);
  }

  void run(float (*d)[4]) const {
    part mine{d, *this, static_cast<int>(threadIdx.x / 32 % 4 * 16)};
    const place at{"wgmma", __FILE__, __LINE__};
    bp_emu_meet(~0u, &at, &mine, combine, 0);
  }
};

// Products that were asked for and have not run yet, by groups; F: their factors.
template <class F>
struct pending_products {
  F asked[16];
  int count = 0, groups = 0, of_group[4] = {};

  void add(const F& factors) {
    if (count == 16) bp_emu_fail("wgmma: more than 16 products under way");
    asked[count++] = factors;
  }

  void commit() {
    if (groups == 4) bp_emu_fail("wgmma: more than four groups under way");
    int before = 0;
    for (int i = 0; i < groups; ++i) before += of_group[i];
    of_group[groups++] = count - before;
  }

  template <class N>
  void run_first_group(N (*d)[4]) {
    const int done = of_group[0];
    for (int i = 0; i < done; ++i) asked[i].run(d);
    for (int i = done; i < count; ++i) asked[i - done] = asked[i];
    for (int i = 1; i < groups; ++i) of_group[i - 1] = of_group[i];
    count -= done;
    --groups;
  }
};

}  // namespace emu
#endif

#ifndef BP_EMULATE
// d[32][4] as what an instruction reads and writes: whatever else touches it stays on its side.
#define BP_OPERANDS_4(j) "+f"(d[j][0]), "+f"(d[j][1]), "+f"(d[j][2]), "+f"(d[j][3])
#define BP_OPERANDS_16(j) \
  BP_OPERANDS_4(j), BP_OPERANDS_4(j + 1), BP_OPERANDS_4(j + 2), BP_OPERANDS_4(j + 3)
#define BP_OPERANDS_128                                                                            \
  BP_OPERANDS_16(0), BP_OPERANDS_16(4), BP_OPERANDS_16(8), BP_OPERANDS_16(12), BP_OPERANDS_16(16), \
      BP_OPERANDS_16(20), BP_OPERANDS_16(24), BP_OPERANDS_16(28)

// A factor as products find it: rows of 128 bytes, eight of them after 1024 bytes, turned by row.
BP_DEVICE u64 rows_in_shared(const void* rows) {
  return (shared_address(rows) & 0x3ffff) >> 4 | u64{1} << 16 | u64{64} << 32 | u64{1} << 62;
}

// Ends a group of products.
BP_DEVICE void commit_group() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
#endif

// D += A B.T, 64 rows of A times 256 rows of B, 16 columns of 16 bits. Both lie in rows of 128
// bytes from a multiple of 1024 bytes on, 16-byte piece p of row r at place p ^ (r & 7); a and b
// point to the first row's first byte of these columns. Warp w of the four has rows 16 w ... of D,
// its lanes as D of m16n8k16 lies, d[j] of columns 8 j ...
//
// A product runs on its own: wait() is when D holds it and A and B may change. On the CPU it runs
// there, no sooner, in the order of the columns.
template <class H>
struct warpgroup_products {
#ifdef BP_EMULATE
  emu::pending_products<emu::shared_factors<H>> pending;
#endif

  // Sums and shared memory that this thread wrote are what products see from here on.
  BP_DEVICE void begin(float (&d)[32][4]) {
#ifdef BP_EMULATE
    (void)d;
#else
    asm volatile("wgmma.fence.sync.aligned;" : BP_OPERANDS_128 : : "memory");
#endif
  }

  BP_DEVICE void multiply(float (&d)[32][4], const char* a, const char* b);

  // Ends a group of products.
  BP_DEVICE void commit() {
#ifdef BP_EMULATE
    pending.commit();
#else
    commit_group();
#endif
  }

  // Until at most `left` groups are under way.
  template <int left>
  BP_DEVICE void wait(float (&d)[32][4]) {
#ifdef BP_EMULATE
    while (pending.groups > left) pending.run_first_group(d);
#else
    asm volatile("wgmma.wait_group.sync.aligned %128;" : BP_OPERANDS_128 : "n"(left) : "memory");
#endif
  }
};

#ifndef BP_EMULATE
#define BP_WGMMA_N256(type)                                                                       \
  asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32." type "." type                       \
               " "                                                                                \
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "          \
               "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
               "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
               "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, " \
               "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
               "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
               "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, " \
               "%110, %111, "                                                                     \
               "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, "   \
               "%125, %126, %127}, "                                                              \
               "%128, %129, 1, 1, 1, 0, 0;"                                                       \
               : BP_OPERANDS_128                                                                  \
               : "l"(rows_in_shared(a)), "l"(rows_in_shared(b)))
#endif

template <>
BP_DEVICE void warpgroup_products<half>::multiply(float (&d)[32][4], const char* a, const char* b) {
#ifdef BP_EMULATE
  pending.add({a, b});
  (void)d;
#else
  BP_WGMMA_N256("f16");
#endif
}

template <>
BP_DEVICE void warpgroup_products<bfloat16>::multiply(float (&d)[32][4], const char* a,
                                                      const char* b) {
#ifdef BP_EMULATE
  pending.add({a, b});
  (void)d;
#else
  BP_WGMMA_N256("bf16");
#endif
}

// What this thread wrote to shared memory, copies included that it has waited for, is what
// instructions that read it on their own see.
BP_DEVICE void show_shared() {
#ifndef BP_EMULATE
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}
