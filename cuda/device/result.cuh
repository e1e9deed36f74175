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
  static_assert(row_floats % 4 == 0 && columns % 4 == 0);
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
  return kind == float16_kind
             ? from_float<half>(low).bits | from_float<half>(high).bits << 16
             : from_float<bfloat16>(low).bits | from_float<bfloat16>(high).bits << 16;
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

// y from (row, column) on = the sums times the scale of their column, rounded once more to the kind
// of y; scale_of(column) gives it for a column and the three behind it. A thread has four columns
// of every so many rows. What lies beyond M and N is left out.
template <class P, class F>
BP_DEVICE void store_result(const float* sums, const result_place& to, int row, int column,
                            F scale_of) {
  constexpr int across = P::columns / 4, at_once = P::threads / across;
  static_assert(at_once * across == P::threads && P::rows % at_once == 0);
  const int first = threadIdx.x / across, right = threadIdx.x % across * 4, n = column + right;
  if (n >= to.N) return;
  const bool by_four = to.by_four() && n + 4 <= to.N;
  const float scale = scale_of(n);
#pragma unroll 4
  for (int i = 0; i < P::rows / at_once; ++i) {
    const int down = first + i * at_once, m = row + down;
    if (m >= to.M) return;
    const uint4 bits = load_shared(sums + down * P::row_floats + right);
    const float v[4] = {
        __fmul_rn(__uint_as_float(bits.x), scale), __fmul_rn(__uint_as_float(bits.y), scale),
        __fmul_rn(__uint_as_float(bits.z), scale), __fmul_rn(__uint_as_float(bits.w), scale)};
    const u64 place = m * to.row_numbers + n;
    if (by_four) {
      store_4(to, place, v);
      continue;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j)
      if (n + j < to.N) store_as(to.y, place + j, to.kind, v[j]);
  }
}
