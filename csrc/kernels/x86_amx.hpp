// Tiles of AMX: eight registers of 16 rows of 64 bytes. For ISA files: everything is in an
// anonymous namespace. Own instructions in place of <amxtileintrin.h>, whose loads GCC 12 moves
// before the stores of what they read.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bp {
namespace {

constexpr std::int64_t tile_rows = 16, tile_line = 64, tile_bytes = tile_rows * tile_line;

// Gives this thread tiles, all of full size. Until release_tiles() a signal or a switch of threads
// has 8 KiB more to save.
inline void take_tiles() {
  struct alignas(64) {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t line_bytes[16] = {};
    std::uint8_t rows[16] = {};
  } wanted;
  for (int t = 0; t < 8; ++t) {
    wanted.line_bytes[t] = tile_line;
    wanted.rows[t] = tile_rows;
  }
  asm volatile("ldtilecfg %0" ::"m"(wanted) : "memory");
}

inline void release_tiles() {
  asm volatile("tilerelease" ::: "memory");
}

template <int t>
inline void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(t));
}

// Rows `stride` bytes apart.
template <int t>
inline void load_tile(const void* from, std::int64_t stride = tile_line) {
  asm volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(t), "r"(from), "r"(stride) : "memory");
}

// The same; what is read is wanted only once, so the nearest cache keeps what it holds.
template <int t>
inline void load_tile_once(const void* from, std::int64_t stride = tile_line) {
  asm volatile("tileloaddt1 (%1,%2,1), %%tmm%c0" ::"i"(t), "r"(from), "r"(stride) : "memory");
}

template <int t>
inline void store_tile(void* to, std::int64_t stride = tile_line) {
  asm volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(t), "r"(to), "r"(stride) : "memory");
}

// sums[m][n] += sum over k of a[m][k] * b[k / 4][4 n + k % 4]; m, n < 16, k < 64; a int8, b uint8,
// into int32, modulo 2^32.
template <int sums, int a, int b>
inline void multiply_tiles() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(a), "i"(b));
}

}  // namespace
}  // namespace bp
