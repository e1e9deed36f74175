// Products of bytes by a warpgroup of Hopper, A out of registers: sm_90a alone.
#pragma once

#include "device/ptx_wgmma.cuh"

#ifdef BP_EMULATE
namespace emu {

// Factors of a product of bytes: this lane's part of A, and where B lies.
struct byte_factors {
  u32 a[4];
  const char* b;

  struct part {
    s32 (*d)[4];
    const byte_factors* f;
  };

  static void combine(void** lanes, unsigned) {
    s32 a[16][32], b[128][32];
    for (int lane = 0; lane < 32; ++lane) {
      const byte_factors& f = *static_cast<const part*>(lanes[lane])->f;
      for (int i = 0; i < 16; ++i) {
        const int r = i / 4, row = lane / 4 + r % 2 * 8, k = r / 2 * 16 + lane % 4 * 4 + i % 4;
        a[row][k] = static_cast<s32>(f.a[r] >> 8 * (i % 4) & 0xff);
      }
    }
    const char* const from = static_cast<const part*>(lanes[0])->f->b;
    for (int row = 0; row < 128; ++row) {
      for (int p = 0; p < 2; ++p) {
        s8 bytes[16];
        bp_emu_read_as(row % 32, bytes, piece_of_row(from, row, p), 16);
        for (int i = 0; i < 16; ++i) b[row][p * 16 + i] = bytes[i];
      }
    }
    for (int lane = 0; lane < 32; ++lane)
      add_products(static_cast<const part*>(lanes[lane])->d, lane, a, b);
  }

  void run(s32 (*d)[4]) const {
    part mine{d, this};
    const place at{"wgmma", __FILE__, __LINE__};
    bp_emu_meet(~0u, &at, &mine, combine, 0);
  }
};

}  // namespace emu
#else
#define BP_BYTE_SUMS_4(j) "+r"(d[j][0]), "+r"(d[j][1]), "+r"(d[j][2]), "+r"(d[j][3])
#define BP_BYTE_SUMS_16(j) \
  BP_BYTE_SUMS_4(j), BP_BYTE_SUMS_4(j + 1), BP_BYTE_SUMS_4(j + 2), BP_BYTE_SUMS_4(j + 3)
#define BP_BYTE_SUMS BP_BYTE_SUMS_16(0), BP_BYTE_SUMS_16(4), BP_BYTE_SUMS_16(8), BP_BYTE_SUMS_16(12)
#endif

// D += A B.T, 64 rows of A times 128 rows of B, 32 columns of them: unsigned bytes times signed
// ones, exact while D stays in int32. Warp w of the four has rows 16 w ... of A and D, A as
// mma.m16n8k32 has it, d[j] as D there, of columns 8 j ... B lies as for warpgroup_products, which
// has the rules of begin(), commit() and wait().
struct warpgroup_byte_products {
#ifdef BP_EMULATE
  emu::pending_products<emu::byte_factors> pending;
#endif

  // Sums, factors and shared memory that this thread wrote are what products see from here on.
  template <int steps>
  BP_DEVICE void begin(s32 (&d)[16][4], u32 (&a)[steps][4]) {
#ifdef BP_EMULATE
    (void)d, (void)a;
#else
#pragma unroll
    for (int i = 0; i < steps; ++i)  // not later than the fence
      asm volatile("" : "+r"(a[i][0]), "+r"(a[i][1]), "+r"(a[i][2]), "+r"(a[i][3]));
    asm volatile("wgmma.fence.sync.aligned;" : BP_BYTE_SUMS : : "memory");
#endif
  }

  BP_DEVICE void multiply(s32 (&d)[16][4], const u32 (&a)[4], const char* b) {
#ifdef BP_EMULATE
    pending.add({{a[0], a[1], a[2], a[3]}, b});
    (void)d;
#else
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n128k32.s32.u8.s8 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, "
        "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, "
        "%34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "
        "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, {%64, %65, %66, "
        "%67}, %68, 1;"
        : BP_BYTE_SUMS
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(rows_in_shared(b)));
#endif
  }

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
  BP_DEVICE void wait(s32 (&d)[16][4]) {
#ifdef BP_EMULATE
    while (pending.groups > left) pending.run_first_group(d);
#else
    asm volatile("wgmma.wait_group.sync.aligned %64;" : BP_BYTE_SUMS : "n"(left) : "memory");
#endif
  }
};
