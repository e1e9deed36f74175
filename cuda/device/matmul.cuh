// Products of 16-bit matrices on tensor cores: rows of a are A of mma.m16n8k16 (16 of them), rows
// or columns of b are B (8).
#pragma once

#include "device/panel.cuh"
#include "device/result.cuh"

// How a block shares its work: warps along rows and columns of y, 16-row and 8-column tiles of a
// warp, stages in shared memory.
template <int warps_m_, int warps_n_, int tiles_m_, int tiles_n_, int stages_>
struct matmul_tile {
  static constexpr int warps_m = warps_m_, warps_n = warps_n_;
  static constexpr int tiles_m = tiles_m_, tiles_n = tiles_n_, stages = stages_;
  static constexpr int threads = 32 * warps_m * warps_n;
  static constexpr int rows = 16 * warps_m * tiles_m, columns = 8 * warps_n * tiles_n;
  static constexpr int a_bytes = rows * panel_row, b_bytes = columns * panel_row;
  static constexpr int stage_bytes = a_bytes + b_bytes;
  static constexpr int blocks = min_of(4, 8192 / (threads * tiles_m * tiles_n));  // at a time
  using result = result_part<rows, columns, 8, threads>;
  static constexpr int shared = max_of(stages * stage_bytes, result::bytes);
};

// Where b has the rows of a product's columns, [N, K] as weights have them, or lies as [K, N].
enum b_layout { by_columns, by_rows };

// The copies of a stage: 64 columns of a, and of b 64 columns or 64 rows.
template <class T, class H, b_layout layout, bool aligned>
struct stage_copies {
  static constexpr bool rows_are_k = layout == by_rows;
  static constexpr int b_rows = rows_are_k ? panel_columns : T::columns;
  static constexpr int b_wide = rows_are_k ? T::columns / panel_columns : 1;
  panel_copy<H, turned_by_row, T::rows, 1, T::threads, aligned> a;
  panel_copy<H, turned_by_row, b_rows, b_wide, T::threads, aligned> b;

  BP_DEVICE void begin(char* stage) {
    a.begin(stage);
    b.begin(stage + T::a_bytes);
    a.move_right();
    if (rows_are_k) {
      b.move_down();
    } else {
      b.move_right();
    }
  }
};

// What a warp has of 16 columns of a stage in registers, and where it takes it from.
//
// A, four 8x8 matrices:      B of two tiles, by columns (by rows: transposes of the same):
//            k 0-7   k 8-15                k 0-7   k 8-15
//   row 0-7    0       2       column 0-7    0       1
//   row 8-15   1       3       column 8-15   2       3
template <class T, b_layout layout>
struct fragments {
  static_assert(T::tiles_n == 4 || T::tiles_n == 8);  // a warp's columns lie in one panel
  u32 a[T::tiles_m][4];
  u32 b[T::tiles_n / 2][4];  // of two tiles

  // k16: which 16 of a stage's 64. a_row, b_row: of this lane, as places() gives.
  BP_DEVICE void load(const char* stage, int k16, int a_row, int b_row) {
#pragma unroll
    for (int i = 0; i < T::tiles_m; ++i)
      load_matrices(a[i], stage + (a_row ^ k16 * 32) + i * 16 * panel_row);
#pragma unroll
    for (int j = 0; j < T::tiles_n / 2; ++j) {
      const char* const panels = stage + T::a_bytes;
      if (layout == by_columns) {
        load_matrices(b[j], panels + (b_row ^ k16 * 32) + j * 16 * panel_row);
      } else {
        load_matrices_transposed(b[j], panels + (b_row ^ j * 32) + k16 * 16 * panel_row);
      }
    }
  }

  BP_DEVICE static int a_place(int lane, int warp) {
    const int row = warp * 16 * T::tiles_m + lane % 16, piece = lane / 16;
    return row * panel_row + (piece ^ turned_by_row::turn(row)) * 16;
  }

  BP_DEVICE static int b_place(int lane, int warp) {
    const int first = warp * 8 * T::tiles_n;
    if (layout == by_columns) {
      const int row = first + lane % 8 + lane / 16 * 8, piece = lane / 8 % 2;
      return row * panel_row + (piece ^ turned_by_row::turn(row)) * 16;
    }
    const int row = lane % 16, piece = first % panel_columns / 8 + lane / 16;
    const int panel = first / panel_columns * panel_columns;
    return (panel + row) * panel_row + (piece ^ turned_by_row::turn(row)) * 16;
  }
};

// Of a warp, float32: lane 4 g + t has of each tile row g (d[0], d[1]) and g + 8 (d[2], d[3]),
// columns 2 t, 2 t + 1.
template <class T>
struct matmul_sums {
  float at[T::tiles_m][T::tiles_n][4] = {};

  template <class H, b_layout layout>
  BP_DEVICE void add(const fragments<T, layout>& f) {
#pragma unroll
    for (int i = 0; i < T::tiles_m; ++i) {
#pragma unroll
      for (int j = 0; j < T::tiles_n; ++j)
        mma_f16<H>(at[i][j], f.a[i], {f.b[j / 2][j % 2 * 2], f.b[j / 2][j % 2 * 2 + 1]});
    }
  }

  // Rows that lie one after another in memory are 8 banks apart.
  BP_DEVICE void keep(float* sums, int lane, int warp_m, int warp_n) const {
    const int row = warp_m * 16 * T::tiles_m + lane / 4;
    const int column = warp_n * 8 * T::tiles_n + lane % 4 * 2;
    float* const mine = sums + row * T::result::row_floats + column;
#pragma unroll
    for (int i = 0; i < T::tiles_m * T::tiles_n * 2; ++i) {
      const float* const d = at[i / 2 / T::tiles_n][i / 2 % T::tiles_n] + i % 2 * 2;
      const int down = i / 2 / T::tiles_n * 16 + i % 2 * 8, right = i / 2 % T::tiles_n * 8;
      store_8(mine + down * T::result::row_floats + right,
              {__float_as_uint(d[0]), __float_as_uint(d[1])});
    }
  }
};
