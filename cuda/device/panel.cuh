// Pieces of a row-major matrix of 16-bit numbers in shared memory, for tensor cores.
//
// A panel is `rows` rows of 64 columns, a row 128 bytes: 8 pieces of 16 bytes, in which piece p of
// row r stands at place p ^ turn(r). A stage has `wide` panels, one after another.
#pragma once

#include "device/ptx.cuh"

constexpr int panel_columns = 64;
constexpr int panel_row = 128;  // bytes

// Eight rows' equal pieces lie in different banks: for ldmatrix.
struct turned_by_row {
  BP_DEVICE static int turn(int row) { return row & 7; }
};

// Four rows' equal pairs of pieces lie in different banks: for 8 bytes a lane, four lanes a row.
struct turned_by_pair {
  BP_DEVICE static int turn(int row) { return (row & 3) * 2; }
};

// Eight numbers at any address, zeros from the `count`-th on, none of which is read.
template <class H>
BP_DEVICE uint4 gather_8(const H* from, int count) {
  u32 words[4] = {};
#pragma unroll
  for (int i = 0; i < 8; ++i)
    if (i < count) words[i / 2] |= static_cast<u32>(from[i].bits) << i % 2 * 16;
  return {words[0], words[1], words[2], words[3]};
}

// This thread's share of copying panels. Eight threads copy a row, all threads `at_once` of them.
// With `aligned` every row of the matrix begins at a multiple of 16 bytes; without, numbers are
// read one by one.
template <class H, class turned, int rows, int wide, int threads, bool aligned>
struct panel_copy {
  static constexpr int bytes = rows * wide * panel_row;
  static constexpr int at_once = threads / 8, count = rows / at_once;
  static_assert(count * at_once == rows && at_once % 8 == 0);
  const H* from;
  u64 row_numbers;  // of the matrix, from one row to the next
  int to;
  int rows_left, columns_left;  // of the matrix, from this thread's first piece on

  // The panels that begin at (row, column) of a matrix of rows_there x columns_there.
  BP_DEVICE panel_copy(const H* matrix, u64 row_numbers, int row, int column, int rows_there,
                       int columns_there)
      : row_numbers(row_numbers) {
    const int piece = threadIdx.x % 8, first = threadIdx.x / 8;
    from = matrix + (row + first) * row_numbers + column + piece * 8;
    to = first * panel_row + (piece ^ turned::turn(first)) * 16;
    rows_left = rows_there - row - first;
    columns_left = columns_there - column - piece * 8;
  }

  // Begins to copy to `stage`; zeros beyond the matrix.
  BP_DEVICE void begin(char* stage) const {
#pragma unroll
    for (int j = 0; j < wide; ++j) {
      const int numbers = max(0, min(8, columns_left - j * panel_columns));
#pragma unroll
      for (int i = 0; i < count; ++i) {
        char* const place = stage + to + (j * rows + i * at_once) * panel_row;
        const H* const piece = from + i * at_once * row_numbers + j * panel_columns;
        const int valid = i * at_once < rows_left ? numbers : 0;
        if (aligned) {
          copy_async(place, piece, 2u * valid);
        } else {
          store_16(place, gather_8(piece, valid));
        }
      }
    }
  }

  BP_DEVICE void move_right() {
    from += wide * panel_columns;
    columns_left -= wide * panel_columns;
  }

  BP_DEVICE void move_down() {
    from += rows * row_numbers;
    rows_left -= rows;
  }
};
