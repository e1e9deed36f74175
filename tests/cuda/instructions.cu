// Each wrapper of an instruction over arrays, by one warp where no other number is named.
#include "device/ptx.cuh"
#include "device/ptx_wgmma_bytes.cuh"

__global__ void integers(const u32* a, const u32* b, const u32* c, u32* dp4a, u32* signed_dp4a,
                         u32* lop, u32* prmt, int count) {
  for (int i = threadIdx.x; i < count; i += 32) {
    dp4a[i] = static_cast<u32>(dp4a_us(a[i], b[i], static_cast<s32>(c[i])));
    signed_dp4a[i] = static_cast<u32>(dp4a_ss(a[i], b[i], static_cast<s32>(c[i])));
    lop[i] = and_or(a[i], b[i], c[i]);
    prmt[i] = permute(a[i], b[i], c[i]);
  }
}

__global__ void to_floats(const half* h, const bfloat16* b, float* from_h, float* from_b,
                          int count) {
  for (int i = threadIdx.x; i < count; i += 32) {
    from_h[i] = to_float(h[i]);
    from_b[i] = to_float(b[i]);
  }
}

__global__ void from_floats(const float* x, half* h, bfloat16* b, int* nearest, int count) {
  for (int i = threadIdx.x; i < count; i += 32) {
    h[i] = from_float<half>(x[i]);
    b[i] = from_float<bfloat16>(x[i]);
    nearest[i] = __float2int_rn(x[i]);
  }
}

// rows: [32, 16 bytes]; d: [32 lanes, 4].
__global__ void matrices(const uint4* rows, u32* d) {
  BP_SHARED(uint4, held, 32);
  store_16(held + threadIdx.x, rows[threadIdx.x]);
  __syncwarp();
  u32 taken[4];
  load_matrices(taken, held + threadIdx.x);
  for (int i = 0; i < 4; ++i) d[threadIdx.x * 4 + i] = taken[i];
}

__global__ void transposed_matrices(const uint4* rows, u32* d) {
  BP_SHARED(uint4, held, 32);
  store_16(held + threadIdx.x, rows[threadIdx.x]);
  __syncwarp();
  u32 taken[4];
  load_matrices_transposed(taken, held + threadIdx.x);
  for (int i = 0; i < 4; ++i) d[threadIdx.x * 4 + i] = taken[i];
}

// Lane i copies the first i / 2 of 8 numbers at `from`; all of d is written.
__global__ void parts(const u16* from, uint4* d) {
  BP_SHARED(uint4, held, 32);
  copy_async(held + threadIdx.x, from + threadIdx.x / 2 / 8 * 8, threadIdx.x / 2 % 8 * 2u);
  copy_commit();
  copy_wait<0>();
  d[threadIdx.x] = load_shared(held + threadIdx.x);
}

template <class H>
__global__ void fused(const u32* a, const u32* b, const u32* c, u32* d) {
  d[threadIdx.x] = exact_fma_2<H>(a[threadIdx.x], b[threadIdx.x], c[threadIdx.x]);
}

// a: [32 lanes, 4]; b: [32 lanes, 2]; d: [32 lanes, 4], added to.
__global__ void multiply_u8s8(const u32* a, const u32* b, s32* d) {
  const u32 i = threadIdx.x;
  s32 sums[4] = {d[4 * i], d[4 * i + 1], d[4 * i + 2], d[4 * i + 3]};
  mma_u8s8(sums, {a[4 * i], a[4 * i + 1], a[4 * i + 2], a[4 * i + 3]}, {b[2 * i], b[2 * i + 1]});
  for (int j = 0; j < 4; ++j) d[4 * i + j] = sums[j];
}

// The same by a warpgroup, of a[128 threads, 4]; b: [128 rows, 8 pieces of 16 bytes] as products
// find them; d: [128 threads, 16, 4], added to. The columns are those of pieces 2 and 3.
__global__ void multiply_bytes(const u32* a, const uint4* b, s32* d) {
  BP_DYNAMIC_SHARED(held);
  for (int i = 0; i < 8; ++i)
    store_16(held + (i * 128 + threadIdx.x) * 16, b[i * 128 + threadIdx.x]);
  show_shared();
  __syncthreads();
  s32 sums[16][4];
  u32 factors[1][4];
  for (int i = 0; i < 64; ++i) sums[i / 4][i % 4] = d[threadIdx.x * 64 + i];
  for (int i = 0; i < 4; ++i) factors[0][i] = a[threadIdx.x * 4 + i];
  warpgroup_byte_products products;
  products.begin(sums, factors);
  products.multiply(sums, factors[0], held + 32);
  products.commit();
  products.wait<0>(sums);
  for (int i = 0; i < 64; ++i) d[threadIdx.x * 64 + i] = sums[i / 4][i % 4];
}

template <class H>
__global__ void multiply_f16(const u32* a, const u32* b, float* d) {
  const u32 i = threadIdx.x;
  float sums[4] = {d[4 * i], d[4 * i + 1], d[4 * i + 2], d[4 * i + 3]};
  mma_f16<H>(sums, {a[4 * i], a[4 * i + 1], a[4 * i + 2], a[4 * i + 3]}, {b[2 * i], b[2 * i + 1]});
  for (int j = 0; j < 4; ++j) d[4 * i + j] = sums[j];
}

// out: [7, 32], of lanes and what they hold.
__global__ void between_lanes(const s32* in, s32* out) {
  const int lane = threadIdx.x;
  const s32 mine = in[lane];
  out[lane] = __shfl_sync(~0u, mine, 37);
  out[32 + lane] = __shfl_sync(~0u, mine, lane + 1, 8);
  out[64 + lane] = __shfl_xor_sync(~0u, mine, 5);
  out[96 + lane] = __shfl_up_sync(~0u, mine, 3);
  out[128 + lane] = __shfl_down_sync(~0u, mine, 3, 16);
  out[160 + lane] = static_cast<s32>(__ballot_sync(~0u, mine < 0));
  out[192 + lane] = __any_sync(~0u, mine > 1000) * 2 + __all_sync(~0u, mine < 1000);
}

// Four warps, two and two: what the other warp of a pair wrote, behind a barrier of the pair alone.
__global__ void pairs_of_warps(const s32* in, s32* out) {
  BP_SHARED(s32, held, 128);
  const u32 pair = threadIdx.x / 64;
  held[threadIdx.x] = in[threadIdx.x];
  barrier_sync(1 + pair, 64);
  out[threadIdx.x] = held[threadIdx.x ^ 32];
}

// Four warps. a: [64 rows, 8 pieces of 16 bytes], b: [256, 8]; d: [64, 256], added to, in two
// groups of 32 columns of a and b.
template <class H>
__global__ void multiply_rows(const uint4* a, const uint4* b, float* d) {
  BP_DYNAMIC_SHARED(held);
  for (u32 i = threadIdx.x; i < 320 * 8; i += 128) {
    const u32 row = i / 8, piece = i % 8;
    store_16(held + row * 128 + (piece ^ (row & 7)) * 16, i < 64 * 8 ? a[i] : b[i - 64 * 8]);
  }
  show_shared();
  __syncthreads();
  float sums[32][4];
  const auto place = [&](int i) {
    const u32 row = threadIdx.x / 4 % 8 + threadIdx.x / 32 * 16 + i % 4 / 2 * 8;
    return row * 256 + i / 4 * 8 + threadIdx.x % 4 * 2 + i % 2;
  };
  for (int i = 0; i < 128; ++i) sums[i / 4][i % 4] = d[place(i)];
  warpgroup_products<H> products;
  products.begin(sums);
  for (int k16 = 0; k16 < 4; ++k16) {
    products.multiply(sums, held + k16 * 32, held + 64 * 128 + k16 * 32);
    if (k16 % 2 == 1) products.commit();
  }
  products.template wait<1>(sums);
  products.template wait<0>(sums);
  for (int i = 0; i < 128; ++i) d[place(i)] = sums[i / 4][i % 4];
}
