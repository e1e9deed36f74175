// A block's part of a result: float sums in shared memory, from there to y in whole lines.
#pragma once

#include "device/activations.cuh"

BP_DEVICE constexpr int max_of(int a, int b) {
  return a > b ? a : b;
}

BP_DEVICE constexpr int min_of(int a, int b) {
  return a < b ? a : b;
}

// Sums [rows][columns], a row `columns + gap` floats apart from the next.
template <int rows_, int columns_, int gap_, int threads_>
struct result_part {
  static constexpr int rows = rows_, columns = columns_, threads = threads_;
  static constexpr int row_floats = columns_ + gap_, bytes = rows_ * row_floats * 4;
  static_assert(row_floats % 4 == 0 && columns % 4 == 0 && rows * columns % (4 * threads) == 0);
};

// Where results go: [M, N] of `kind`, a row `row_numbers` apart from the next.
struct result_place {
  void* y;
  u64 row_numbers;
  int kind;  // of number_kind
  int M, N;

  // Whether four numbers of a row, from every fourth on, can be stored at once.
  BP_DEVICE bool by_four() const {
    const u64 four = kind == float32_kind ? 16 : 8;
    return row_numbers % 4 == 0 && reinterpret_cast<u64>(y) % four == 0;
  }
};

BP_DEVICE u32 pair_as(int kind, float low, float high) {
  return kind == float16_kind ? from_float<half>(low).bits | from_float<half>(high).bits << 16
                              : from_float<bfloat16>(low).bits | from_float<bfloat16>(high).bits
                                                                     << 16;
}

BP_DEVICE void store_4(const result_place& to, u64 place, const float (&v)[4]) {
  if (to.kind == float32_kind) {
    store_16(static_cast<float*>(to.y) + place, {__float_as_uint(v[0]), __float_as_uint(v[1]),
                                                 __float_as_uint(v[2]), __float_as_uint(v[3])});
  } else {
    store_8(static_cast<u16*>(to.y) + place,
            {pair_as(to.kind, v[0], v[1]), pair_as(to.kind, v[2], v[3])});
  }
}

// y from (row, column) on = the sums times scale_of(column) of four columns at a time, rounded once
// more to the kind of y. What lies beyond M and N is left out.
template <class P, class F>
BP_DEVICE void store_result(const float* sums, const result_place& to, int row, int column,
                            F scale_of) {
  const bool by_four = to.by_four();
#pragma unroll 4
  for (int i = threadIdx.x; i < P::rows * (P::columns / 4); i += P::threads) {
    const int r = i / (P::columns / 4), c = i % (P::columns / 4) * 4;
    const int m = row + r, n = column + c;
    if (m >= to.M || n >= to.N) continue;
    const uint4 bits = load_shared(sums + r * P::row_floats + c);
    const float scale = scale_of(n);
    const float v[4] = {
        __fmul_rn(__uint_as_float(bits.x), scale), __fmul_rn(__uint_as_float(bits.y), scale),
        __fmul_rn(__uint_as_float(bits.z), scale), __fmul_rn(__uint_as_float(bits.w), scale)};
    const u64 place = m * to.row_numbers + n;
    if (by_four && n + 4 <= to.N) {
      store_4(to, place, v);
      continue;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (n + j < to.N) store_as(to.y, place + j, to.kind, v[j]);
  }
}
