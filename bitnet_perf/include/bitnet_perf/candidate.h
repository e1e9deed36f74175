/* The interface of a candidate kernel: one source file, one shared object, C calling convention.
 *
 *   #include <bitnet_perf/candidate.h>
 *   void bp_gemv_i2_s(const bp_product *p) { ... rows p->begin .. p->end of p->y ... }
 *
 *   bitnet-perf try my.cpp --family gemv_i2_s --shape 6912x2560
 *
 * A candidate defines the function of every family and format that it wants to replace; those it
 * does not define stay as they are. It may be written in C, C++ or anything that exports C names.
 *
 * For all families:
 *   - A call does the work of a range (begin .. end) and returns. Calls for different ranges run at
 *     the same time on several threads, in any order, each range once. No result may depend on the
 *     ranges, on the threads, or on what was called before.
 *   - Inputs are read-only. Only what the function's comment names may be written. Nothing is
 *     aligned unless its comment says so. The end of an array is the end of what may be read; a
 *     software prefetch may pass it.
 *   - Results are equal, bit for bit, to the scalar reference.
 *   - A function does not throw, does not allocate on the hot path (it may), and does not print.
 */
#ifndef BITNET_PERF_CANDIDATE_H
#define BITNET_PERF_CANDIDATE_H

#include <stdint.h>

/* The version of this interface. A build of bitnet_perf accepts exactly one. */
#define BP_CANDIDATE_ABI 1

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXPORT __attribute__((visibility("default")))

/* Every shared object says which version it was compiled for: defined here, for all of them. */
#ifndef BP_CANDIDATE_HOST
BP_EXPORT __attribute__((weak)) uint32_t bp_candidate_abi(void);
__attribute__((weak)) uint32_t bp_candidate_abi(void) {
  return BP_CANDIDATE_ABI;
}
#endif

/* ---- gemv, gemm ---------------------------------------------------------------------------------
 *
 *   y[m * N + n] = sum over k < K of W[n, k] * q[m * K + k]      for all m < M, begin <= n < end
 *
 * W is N x K of -1, 0, 1, packed; q is int8, -128 .. 127; y is exact int32. gemv: M = 1; gemm: any
 * M >= 1. K <= 2^22, so that sums of codes 0, 1, 2 stay below 2^30: an int32 accumulator never
 * wraps, an int16 one wraps after 64 products of code 2 with -128 (vpmaddubsw makes sums of two).
 *
 * Layouts of `w` (N rows, K a multiple of the group):
 *   i2_s          group 128 in 32 bytes, code = W + 1. Byte p of a group holds weight p in bits
 *                 7-6, 32 + p in 5-4, 64 + p in 3-2, 96 + p in 1-0. Rows of K / 4 bytes; then a
 *                 float32 scale and 28 bytes that mean nothing.
 *   native_i2_r4  the 32-byte groups of i2_s: group g of rows 4r .. 4r + 3 stands in 128
 *                 contiguous bytes at r * K + 128 * g. Rows are padded to a multiple of four.
 *   native_i2_r16 the same of sixteen rows, dword by dword: bytes 4i .. 4i + 3 of group g of row
 *                 16r + l stand at 4 * K * r + 512 * g + 64 * i + 4 * l. Rows are padded to a
 *                 multiple of sixteen.
 *   tq2_0         blocks of 256 weights in 66 bytes: two runs of 128 in 32 bytes each, byte p of a
 *                 run holds weight p in bits 1-0, 32 + p in 3-2, 64 + p in 5-4, 96 + p in 7-6; then
 *                 a float16 scale, not part of the sum.
 *   tq1_0         blocks of 256 weights in 54 bytes: 32 bytes, byte p holds weights p + 32 i; 16
 *                 bytes, weights 160 + p + 16 i; (i = 0 .. 4) 4 bytes, weights 240 + p + 4 i
 *                 (i = 0 .. 3); a float16 scale. Digit i of byte b is (3 * (b * 3^i mod 256)) >> 8.
 *   tl1           byte (3 w0 + w1 + 4) << 4 | (3 w2 + w3 + 4) for four columns of one row, in the
 *                 order [N/BM][K/BK][BM/bm][BK/by][bm/16][by/4][16 rows], by = 256 / bm; then the
 *                 float32 scale and 28 bytes.
 *   tl2           K3 = K / BK * BK columns of triples v = 9 w0 + 3 w1 + w2, index |v| in a nibble
 *                 (first triple high) and sign v < 0 apart; the other columns pairs as in tl1:
 *                   indices  K3 N / 6 bytes   [N/BM][K3/BK][BM/32][BK/6][32 rows]
 *                   signs    K3 N / 24 bytes  [N/BM][K3/BK][BM/32][BK/24][16 x uint16]
 *                   pairs    K2 N / 4 bytes   [N/BM][K2/32][BM/32][8][32 rows]
 *                 The 32 rows stand in the order 0-7, 16-23, 8-15, 24-31. uint16 r of the signs
 *                 serves rows r and r + 16: of triple t (0 .. 7) bit 15 - 2t is row r, bit 14 - 2t
 *                 row r + 16; the sign of a zero triple is ignored. N % 32 == 0 for tl1 and tl2.
 */
typedef struct bp_product {
  const uint8_t*
      w; /* packed weights, or `prepared` where the plan asked for it (then 64-aligned) */
  int64_t w_bytes;
  const int8_t* q;      /* [M, K], zero from K_true on */
  const int32_t* q_sum; /* [M]: sum of q; sum(code * q) - q_sum where codes are 0, 1, 2 */
  int32_t* y;           /* [M, N] */
  int64_t M, N, K;      /* K is K_true rounded up to the group of the format */
  int64_t K_true;
  int32_t BM, BK, bm; /* the tiling of tl1 and tl2; 0 elsewhere */
  int32_t reserved;
  uint8_t* tables;    /* table_bytes, 64-aligned; null where the plan asked for none */
  int64_t begin, end; /* rows, multiples of row_step (end: or N); in _tables the parts to fill */
} bp_product;

/* What a candidate asks for. It stands as below before the call. */
typedef struct bp_plan {
  int64_t row_step;       /* 1: ranges of rows are cut at multiples of it */
  int64_t prepared_bytes; /* 0: a layout of its own, made once from the packed bytes, any M */
  int64_t table_bytes;    /* 0: memory made from q in each call, before any row */
  int64_t table_parts;    /* 0: it is filled in so many parts, by all threads */
} bp_plan;

typedef struct bp_prepare {
  const uint8_t* packed; /* in the layout of the format */
  int64_t packed_bytes;
  uint8_t* prepared; /* to be written: prepared_bytes, 64-aligned, cleared */
  int64_t prepared_bytes;
  int64_t N, K, K_true;
  int32_t BM, BK, bm, reserved;
} bp_prepare;

/* For F = gemv_i2_s and all others:
 *   bp_F          rows: writes y[m * N + n] for m < M, begin <= n < end, nothing else
 *   bp_F_plan     optional; of p only the numbers M, N, K, K_true, BM, BK, bm are set
 *   bp_F_prepare  where prepared_bytes > 0: called once, outside the time that is measured
 *   bp_F_tables   where table_parts > 0: writes the parts begin .. end of p->tables, nothing else;
 *                 w, q and q_sum are there, y is not
 */
#define BP_PRODUCT(name)                                               \
  BP_EXPORT void bp_##name(const bp_product* p);                       \
  BP_EXPORT void bp_##name##_plan(const bp_product* p, bp_plan* plan); \
  BP_EXPORT void bp_##name##_prepare(const bp_prepare* p);             \
  BP_EXPORT void bp_##name##_tables(const bp_product* p)

BP_PRODUCT(gemv_i2_s);
BP_PRODUCT(gemv_native_i2_r4);
BP_PRODUCT(gemv_native_i2_r16);
BP_PRODUCT(gemv_tl1);
BP_PRODUCT(gemv_tl2);
BP_PRODUCT(gemv_tq1_0);
BP_PRODUCT(gemv_tq2_0);
BP_PRODUCT(gemm_i2_s);
BP_PRODUCT(gemm_native_i2_r4);
BP_PRODUCT(gemm_native_i2_r16);
BP_PRODUCT(gemm_tl1);
BP_PRODUCT(gemm_tl2);
BP_PRODUCT(gemm_tq1_0);
BP_PRODUCT(gemm_tq2_0);

/* ---- quantize_activations -----------------------------------------------------------------------
 *
 * For rows begin .. end: amax = max(1e-5, max |x|), s = 127 / amax, values = round_half_even(x *
 * s), all in float32 without contraction; scale = s, sum = the exact sum of the values. A row that
 * holds NaN or infinity gets scale 0, and its values and sum may be anything.
 */
typedef struct bp_activations {
  const float* x; /* [M, K] */
  int8_t* values; /* [M, K] */
  float* scale;   /* [M] */
  int32_t* sum;   /* [M] */
  int64_t M, K;
  int64_t begin, end;
} bp_activations;

BP_EXPORT void bp_quantize_activations_q8_act(const bp_activations* p);

/* ---- pack, unpack -------------------------------------------------------------------------------
 *
 * pack: int8 [N, K_true] of -1, 0, 1 to all bytes of codes (and block scales, the float16 `d`) of
 * rows begin .. end; columns K_true .. K are zero weights; never the scale behind the codes. Ranges
 * are cut at multiples of bm for tl1 and tl2.
 * unpack: the other way; writes `codes` alone.
 */
typedef struct bp_packing {
  int8_t* codes; /* [N, K_true] from row 0 on; read-only in pack */
  uint8_t* data; /* the packed bytes from row 0 on; read-only in unpack */
  int64_t N, K, K_true;
  int32_t BM, BK, bm;
  uint16_t d, reserved;
  int64_t begin, end; /* rows */
} bp_packing;

#define BP_PACKING(format)                              \
  BP_EXPORT void bp_pack_##format(const bp_packing* p); \
  BP_EXPORT void bp_unpack_##format(const bp_packing* p)

BP_PACKING(i2_s);
BP_PACKING(tl1);
BP_PACKING(tl2);
BP_PACKING(tq1_0);
BP_PACKING(tq2_0);

#ifdef __cplusplus
}
#endif

#endif
