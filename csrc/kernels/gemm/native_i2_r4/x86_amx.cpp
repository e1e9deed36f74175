#include "kernels/x86_amx.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/two_bit.hpp"

namespace bp {

// Products of few tokens, and those whose blocks have scales; this CPU runs it too.
void gemm_native_i2_r4_x86_avx512vnni(const gemm_args& args);

namespace {

// A tile of tokens is the left operand, row m its 64 activations; a tile of weights the right one.
// Sums then stand as in y: 16 tokens by 16 rows of W.
constexpr std::int64_t panel_rows = 32;      // two tiles of weights
constexpr std::int64_t panel_columns = 640;  // 20 KiB of int8 weights: they stay in L1
constexpr std::int64_t block_tiles = 16;     // tiles of 16 tokens between two uses of a panel
constexpr std::int64_t least_tokens = 4;     // below it vpdpbusd is as fast
constexpr std::int64_t prefetch_ahead = 5;   // groups

inline std::int64_t token_tiles(const product_args& args) {
  return (args.M + tile_rows - 1) / tile_rows;
}

// Tile i of tokens: [K / 64][16 tokens][64], zeros for tokens that are not there.
void pack_tokens(const product_args& args, std::int64_t i) {
  std::uint8_t* to = args.shared + i * tile_rows * args.K;
  const std::int8_t* from = args.q + i * tile_rows * args.K;
  const std::int64_t left = args.M - i * tile_rows;
  for (std::int64_t k = 0; k < args.K; k += tile_line) {
    for (std::int64_t m = 0; m < tile_rows; ++m, to += tile_line) {
      _mm512_store_si512(
          to, m < left ? _mm512_loadu_si512(from + m * args.K + k) : _mm512_setzero_si512());
    }
  }
}

// Codes 0, 1, 2 at bits `shift`, shift + 1 of every byte as int8 -1, 0, 1. Bit i of the result is
// the parity of byte 7 - i of the matrix and the code, inverted: bit 0 is set where the low bit of
// the code is not, the other bits where both are zero.
constexpr std::int64_t signs_of(int shift) {
  std::uint64_t rows = 0;
  for (int row = 0; row < 7; ++row) rows |= (std::uint64_t{3} << shift) << (8 * row);
  return static_cast<std::int64_t>(rows | (std::uint64_t{1} << shift) << 56);
}

template <int s>
inline void store_signs(__m512i bytes, std::int8_t* to) {
  constexpr int shift = native_i2_r4::shift(s);
  _mm512_store_si512(
      to, _mm512_gf2p8affine_epi64_epi8(bytes, _mm512_set1_epi64(signs_of(shift)), 0xff));
}

// 16 rows of W: four blocks of four rows, each one stream.
struct sixteen_rows {
  const std::uint8_t* fours[4];
};

// Rows n .. n + 15; where fewer exist, the first of them in place of the others.
inline sixteen_rows rows_from(const product_args& args, std::int64_t n, std::int64_t g) {
  sixteen_rows found;
  for (int i = 0; i < 4; ++i) {
    const std::int64_t row = n + 4 * i < args.N ? n + 4 * i : args.row_begin;
    found.fours[i] = native_i2_r4::group(args.w, args.K, row, g);
  }
  return found;
}

// 16 bytes at `at` of rows r, 4 + r, 8 + r, 12 + r.
inline __m512i quarter(const sixteen_rows& w, std::int64_t at) {
  const auto load = [&](int i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(w.fours[i] + at));
  };
  __m512i found = _mm512_castsi128_si512(load(0));
  found = _mm512_inserti32x4(found, load(1), 1);
  found = _mm512_inserti32x4(found, load(2), 2);
  return _mm512_inserti32x4(found, load(3), 3);
}

// A line of bytes as lines i, 8 + i of the tiles of weights 0 .. 63 and 64 .. 127 of a group.
inline void store_lines(__m512i bytes, std::int8_t* low, std::int8_t* high) {
  store_signs<0>(bytes, low);
  store_signs<1>(bytes, low + 8 * tile_line);
  store_signs<2>(bytes, high);
  store_signs<3>(bytes, high + 8 * tile_line);
}

// Half (0, 1) of the bytes of a group of 16 rows into lines 4 half .. 4 half + 3 and those 8 below
// of its two tiles. Dword i of a row's bytes holds weights 4i .. 4i + 3 of each quarter of 32.
//   rows, by quarters of a vector      a0 a1 a2 a3 | e0 .. | i0 .. | m0 ..    and so b, c, d
//   unpack dwords                      a0 b0 a1 b1 | ..      c0 d0 c1 d1 | .. and so 2, 3
//   unpack qwords                      a0 b0 c0 d0 | e0 f0 g0 h0 | ..         dword 0 of 16 rows
inline void expand_half(const sixteen_rows& w, std::int64_t half, std::int8_t* low,
                        std::int8_t* high) {
  const __m512i a = quarter(w, 16 * half), b = quarter(w, 16 * half + 32);
  const __m512i c = quarter(w, 16 * half + 64), d = quarter(w, 16 * half + 96);
  const __m512i ab01 = _mm512_unpacklo_epi32(a, b), ab23 = _mm512_unpackhi_epi32(a, b);
  const __m512i cd01 = _mm512_unpacklo_epi32(c, d), cd23 = _mm512_unpackhi_epi32(c, d);
  low += 4 * half * tile_line;
  high += 4 * half * tile_line;
  store_lines(_mm512_unpacklo_epi64(ab01, cd01), low, high);
  store_lines(_mm512_unpackhi_epi64(ab01, cd01), low + tile_line, high + tile_line);
  store_lines(_mm512_unpacklo_epi64(ab23, cd23), low + 2 * tile_line, high + 2 * tile_line);
  store_lines(_mm512_unpackhi_epi64(ab23, cd23), low + 3 * tile_line, high + 3 * tile_line);
}

// Groups first .. first + groups - 1 of rows n .. n + 31 as tiles: [weights / 64][2][tile].
void expand_panel(const product_args& args, std::int64_t n, std::int64_t first, std::int64_t groups,
                  std::int8_t* panel) {
  sixteen_rows rows[2] = {rows_from(args, n, first), rows_from(args, n + tile_rows, first)};
  for (std::int64_t g = 0; g < groups; ++g, panel += 4 * tile_bytes) {
    for (int side = 0; side < 2; ++side) {
      std::int8_t* low = panel + side * tile_bytes;
      expand_half(rows[side], 0, low, low + 2 * tile_bytes);
      expand_half(rows[side], 1, low, low + 2 * tile_bytes);
      for (auto& four : rows[side].fours) {
        four += group_weights;
        _mm_prefetch(four + prefetch_ahead * group_weights, _MM_HINT_T1);
        _mm_prefetch(four + prefetch_ahead * group_weights + 64, _MM_HINT_T1);
      }
    }
  }
}

// Tiles 0 .. 3 hold sums: tokens 0 .. 15 in 0 and 1, tokens 16 .. 31 in 2 and 3, the second half of
// the panel's rows in 1 and 3.
template <int tiles>
inline void clear_sums() {
  zero_tile<0>();
  zero_tile<1>();
  if constexpr (tiles == 2) {
    zero_tile<2>();
    zero_tile<3>();
  }
}

template <int tiles>
inline void load_sums(const std::int32_t* from) {
  load_tile<0>(from);
  load_tile<1>(from + 256);
  if constexpr (tiles == 2) {
    load_tile<2>(from + 512);
    load_tile<3>(from + 768);
  }
}

template <int tiles>
inline void store_sums(std::int32_t* to, std::int64_t right, std::int64_t down,
                       std::int64_t stride) {
  store_tile<0>(to, stride);
  store_tile<1>(to + right, stride);
  if constexpr (tiles == 2) {
    store_tile<2>(to + down, stride);
    store_tile<3>(to + down + right, stride);
  }
}

// Sums of one or two tiles of tokens over `lines` tiles of K. A sum is at most 128 * K in
// magnitude, half of what largest_columns allows.
template <int tiles>
inline void multiply(const std::uint8_t* tokens, std::int64_t next_tile, const std::int8_t* panel,
                     std::int64_t lines) {
  for (std::int64_t k = 0; k < lines; ++k, tokens += tile_bytes, panel += 2 * tile_bytes) {
    load_tile_once<4>(tokens);
    load_tile<6>(panel);
    multiply_tiles<0, 4, 6>();
    if constexpr (tiles == 2) {
      load_tile_once<5>(tokens + next_tile);
      multiply_tiles<2, 5, 6>();
    }
    load_tile<7>(panel + tile_bytes);
    if constexpr (tiles == 2) multiply_tiles<3, 5, 7>();
    multiply_tiles<1, 4, 7>();
  }
}

// A part of the columns of one panel.
struct part_of_panel {
  std::int64_t n, k, columns;
  bool first, last;
};

// The sums of tile i of tokens (two of them where tiles is 2) in `sums`, moved to y after the last
// part: only rows and tokens that are there.
template <int tiles>
void add_part(const product_args& args, const part_of_panel& part, const std::int8_t* panel,
              std::int64_t i, std::int32_t* sums) {
  const std::int64_t m = i * tile_rows;
  const std::int64_t tokens = args.M - m < tiles * tile_rows ? args.M - m : tiles * tile_rows;
  const std::int64_t rows = args.row_end - part.n < panel_rows ? args.row_end - part.n : panel_rows;
  part.first ? clear_sums<tiles>() : load_sums<tiles>(sums);
  multiply<tiles>(args.shared + m * args.K + part.k * tile_rows, tile_rows * args.K, panel,
                  part.columns / tile_line);
  std::int32_t* y = args.y + m * args.N + part.n;
  if (part.last && tokens == tiles * tile_rows && rows == panel_rows) {
    return store_sums<tiles>(y, tile_rows, tile_rows * args.N, 4 * args.N);
  }
  store_sums<tiles>(sums, 256, 512, tile_line);
  if (!part.last) return;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int32_t* from = sums + t / tile_rows * 512 + t % tile_rows * tile_rows;
    for (std::int64_t n = 0; n < rows; n += tile_rows) {
      const auto mask = static_cast<__mmask16>(rows - n >= 16 ? 0xffff : (1 << (rows - n)) - 1);
      _mm512_mask_storeu_epi32(y + t * args.N + n, mask, _mm512_load_si512(from + n * 16));
    }
  }
}

struct workspace {
  alignas(64) std::int8_t panel[panel_rows * panel_columns];
  alignas(64) std::int32_t sums[block_tiles * tile_rows * panel_rows];
};

// Rows n .. n + 31 against tiles begin .. end of tokens.
void panel_by_tokens(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t end,
                     workspace& work) {
  const std::int64_t groups = args.K / group_weights;
  const std::int64_t most = panel_columns / group_weights, parts = (groups + most - 1) / most;
  for (std::int64_t p = 0; p < parts; ++p) {
    const std::int64_t first = groups * p / parts, past = groups * (p + 1) / parts;
    const part_of_panel part{n, first * group_weights, (past - first) * group_weights, p == 0,
                             p == parts - 1};
    expand_panel(args, n, first, past - first, work.panel);
    std::int64_t i = begin;
    for (; i + 2 <= end; i += 2)
      add_part<2>(args, part, work.panel, i, work.sums + (i - begin) * 512);
    if (i < end) add_part<1>(args, part, work.panel, i, work.sums + (i - begin) * 512);
  }
}

void rows_by_tokens(const product_args& args) {
  const tiles_in_use in_use;
  workspace work;
  const std::int64_t all = token_tiles(args);
  for (std::int64_t i = 0; i < all; i += block_tiles) {
    const std::int64_t end = i + block_tiles < all ? i + block_tiles : all;
    for (std::int64_t n = args.row_begin; n < args.row_end; n += panel_rows)
      panel_by_tokens(args, n, i, end, work);
  }
}

}  // namespace

void gemm_native_i2_r4_x86_amx(const gemm_args& args) {
  if (args.block_scales || args.M < least_tokens) return gemm_native_i2_r4_x86_avx512vnni(args);
  switch (args.step) {
    case product_step::plan:
      *args.needs = {panel_rows, static_cast<std::size_t>(token_tiles(args) * tile_rows * args.K),
                     token_tiles(args), false};
      break;
    case product_step::prepare:
      for (std::int64_t i = args.part_begin; i < args.part_end; ++i) pack_tokens(args, i);
      break;
    case product_step::rows:
      rows_by_tokens(args);
      break;
  }
}

}  // namespace bp
