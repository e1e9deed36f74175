#include "kernels/x86_amx.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/two_bit.hpp"

namespace bp {

// Products of few tokens, and those whose blocks have scales; this CPU runs it too.
void gemm_native_i2_r4_x86_avx512vnni(const gemm_args& args);

namespace {

// A tile of tokens is the left operand, row m its 64 activations; a tile of weights the right one.
// Sums then stand as in y: 16 tokens by 16 rows of W.
constexpr std::int64_t panel_rows = 32;     // two tiles of weights
constexpr std::int64_t panel_groups = 5;    // 20 KiB of int8 weights: they stay in L1
constexpr std::int64_t block_tokens = 128;  // between two uses of a panel: L2 holds them
constexpr std::int64_t pair_tokens = 2 * tile_rows;
constexpr std::int64_t pair_bytes = pair_tokens * group_weights;  // a group of a pair of tiles
constexpr std::int64_t tile_sums = tile_rows * tile_rows;
constexpr std::int64_t page = 4096;
constexpr std::int64_t least_tokens = 4;  // below it vpdpbusd is as fast

inline std::int64_t token_pairs(const product_args& args) {
  return (args.M + pair_tokens - 1) / pair_tokens;
}

// K in parts of at most panel_groups groups.
struct part_of_columns {
  std::int64_t first, groups;
};
inline std::int64_t parts_of(const product_args& args) {
  return (args.K / group_weights + panel_groups - 1) / panel_groups;
}
inline part_of_columns part_at(const product_args& args, std::int64_t p) {
  const std::int64_t groups = args.K / group_weights, parts = parts_of(args);
  const std::int64_t first = groups * p / parts;
  return {first, groups * (p + 1) / parts - first};
}

// Packed tokens in the order of use, from a page on: [part][pair][columns / 64][2][16 tokens][64].
inline std::uint8_t* packed_tokens(const product_args& args, const part_of_columns& part,
                                   std::int64_t pair) {
  std::uint8_t* start = args.shared + (-reinterpret_cast<std::uintptr_t>(args.shared) & (page - 1));
  return start + (part.first * token_pairs(args) + pair * part.groups) * pair_bytes;
}

// Tile `side` of a pair; tokens that are not there are zero.
void pack_tile(const product_args& args, std::int64_t pair, std::int64_t side) {
  const std::int64_t begin = pair * pair_tokens + side * tile_rows, left = args.M - begin;
  if (left <= 0) return;
  for (std::int64_t p = 0; p < parts_of(args); ++p) {
    const part_of_columns part = part_at(args, p);
    std::uint8_t* to = packed_tokens(args, part, pair) + side * tile_bytes;
    const std::int8_t* from = args.q + begin * args.K + part.first * group_weights;
    for (std::int64_t k = 0; k < 2 * part.groups; ++k, to += 2 * tile_bytes, from += tile_line) {
      for (std::int64_t m = 0; m < tile_rows; ++m) {
        _mm512_store_si512(to + m * tile_line, m < left ? _mm512_loadu_si512(from + m * args.K)
                                                        : _mm512_setzero_si512());
      }
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

// The rows of a panel on their way into its tiles, a group at a time. A group takes a page, and its
// tiles are written after those of the group before are read: a load waits for earlier stores to
// addresses with the same last twelve bits.
struct filling {
  sixteen_rows rows[2];
  std::int64_t ahead;    // 128 bytes hold a group of four rows: to what is unpacked next
  std::int8_t* to;       // tiles of a group: [2 of 64 columns][2 of 16 rows]
  __m512i dwords[2][8];  // dword i of the bytes of 16 rows: weights 4i .. 4i + 3 of each quarter

  // Half (0, 1) of the bytes of a group.
  //   rows, by quarters of a vector      a0 a1 a2 a3 | e0 .. | i0 .. | m0 ..    and so b, c, d
  //   unpack dwords                      a0 b0 a1 b1 | ..      c0 d0 c1 d1 | .. and so 2, 3
  //   unpack qwords                      a0 b0 c0 d0 | e0 f0 g0 h0 | ..         dword 0 of 16 rows
  template <int side, int half>
  inline __attribute__((always_inline)) void take_half() {
    const sixteen_rows& w = rows[side];
    const __m512i a = quarter(w, 16 * half), b = quarter(w, 16 * half + 32);
    const __m512i c = quarter(w, 16 * half + 64), d = quarter(w, 16 * half + 96);
    const __m512i ab01 = _mm512_unpacklo_epi32(a, b), ab23 = _mm512_unpackhi_epi32(a, b);
    const __m512i cd01 = _mm512_unpacklo_epi32(c, d), cd23 = _mm512_unpackhi_epi32(c, d);
    dwords[side][4 * half] = _mm512_unpacklo_epi64(ab01, cd01);
    dwords[side][4 * half + 1] = _mm512_unpackhi_epi64(ab01, cd01);
    dwords[side][4 * half + 2] = _mm512_unpacklo_epi64(ab23, cd23);
    dwords[side][4 * half + 3] = _mm512_unpackhi_epi64(ab23, cd23);
  }

  template <int side>
  inline __attribute__((always_inline)) void take() {
    take_half<side, 0>();
    take_half<side, 1>();
    for (auto& four : rows[side].fours) {
      _mm_prefetch(four + ahead, _MM_HINT_T1);
      _mm_prefetch(four + ahead + 64, _MM_HINT_T1);
      four += group_weights;
    }
  }

  // Weights 64 line .. 64 line + 63 of the group.
  template <int side, int line>
  inline __attribute__((always_inline)) void put() {
    std::int8_t* tile = to + (2 * line + side) * tile_bytes;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      store_signs<2 * line>(dwords[side][i], tile + i * tile_line);
      store_signs<2 * line + 1>(dwords[side][i], tile + (8 + i) * tile_line);
    }
  }
};

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
  load_tile<1>(from + tile_sums);
  if constexpr (tiles == 2) {
    load_tile<2>(from + 2 * tile_sums);
    load_tile<3>(from + 3 * tile_sums);
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

// The products of 64 columns; `first` and `second` do what fits between them.
template <int tiles, class First, class Second>
inline __attribute__((always_inline)) void multiply_line(const std::uint8_t* tokens,
                                                         const std::int8_t* panel, First&& first,
                                                         Second&& second) {
  load_tile_once<4>(tokens);
  load_tile<6>(panel);
  multiply_tiles<0, 4, 6>();
  first();
  if constexpr (tiles == 2) {
    load_tile_once<5>(tokens + tile_bytes);
    multiply_tiles<2, 5, 6>();
  }
  load_tile<7>(panel + tile_bytes);
  if constexpr (tiles == 2) multiply_tiles<3, 5, 7>();
  second();
  multiply_tiles<1, 4, 7>();
}

// Asks for the lines of y that sums of a pair go to: their stores would wait for memory.
struct fetching {
  const std::int32_t* y;
  std::int64_t N, tokens, each;

  void operator()() {
    for (std::int64_t i = 0; i < each && tokens > 0; ++i, --tokens, y += N) {
      __builtin_prefetch(y, 1);
      __builtin_prefetch(y + tile_rows, 1);
    }
  }
};

// Sums of one or two tiles of tokens over a panel of `groups` groups. A sum is at most 128 * K in
// magnitude, half of what largest_columns allows.
template <int tiles, class Between>
inline void multiply(const std::uint8_t* tokens, const std::int8_t* panel, std::int64_t groups,
                     Between&& between) {
  for (std::int64_t k = 0; k < 2 * groups; ++k)
    multiply_line<tiles>(tokens + k * 2 * tile_bytes, panel + k * 2 * tile_bytes, [] {}, between);
}

// The same, filling the panel on the way, one group ahead.
template <int tiles>
inline void fill_and_multiply(const std::uint8_t* tokens, std::int8_t* panel, std::int64_t groups,
                              filling& rows) {
  rows.take<0>();
  rows.put<0, 0>();
  rows.put<0, 1>();
  rows.take<1>();
  rows.put<1, 0>();
  rows.put<1, 1>();
  for (; groups > 1; --groups, tokens += pair_bytes, panel += page) {
    rows.to += page;
    multiply_line<tiles>(
        tokens, panel,
        [&] {
          rows.take<0>();
          rows.put<0, 0>();
        },
        [&] {
          rows.take<1>();
          rows.put<1, 0>();
        });
    multiply_line<tiles>(
        tokens + 2 * tile_bytes, panel + 2 * tile_bytes, [&] { rows.put<0, 1>(); },
        [&] { rows.put<1, 1>(); });
  }
  multiply<tiles>(tokens, panel, 1, [] {});
}

struct workspace {
  alignas(page) std::int8_t panel[panel_groups * page];
  alignas(64) std::int32_t sums[block_tokens * panel_rows];
};

// A part of the columns of one panel.
struct part_of_panel {
  std::int64_t n;
  part_of_columns columns;
  bool first, last;
};

inline filling fill_from(const product_args& args, const part_of_panel& part, std::int8_t* panel) {
  const auto [first, groups] = part.columns;
  const std::int64_t to_next_panel = panel_rows / 4 * args.K - first * group_weights;
  return {{rows_from(args, part.n, first), rows_from(args, part.n + tile_rows, first)},
          part.last ? to_next_panel : groups * group_weights,
          panel,
          {}};
}

// `tokens` by `rows` of the sums of a pair to y of token m and row n.
void copy_sums(const product_args& args, std::int64_t m, std::int64_t n, std::int64_t tokens,
               std::int64_t rows, const std::int32_t* sums) {
  for (std::int64_t t = 0; t < tokens; ++t) {
    const std::int32_t* from = sums + t / tile_rows * 2 * tile_sums + t % tile_rows * tile_rows;
    std::int32_t* to = args.y + (m + t) * args.N + n;
    for (std::int64_t i = 0; i < rows; i += tile_rows) {
      const auto mask = static_cast<__mmask16>(rows - i >= 16 ? 0xffff : (1 << (rows - i)) - 1);
      _mm512_mask_storeu_epi32(to + i, mask, _mm512_load_si512(from + i * tile_rows));
    }
  }
}

// The sums of a pair of tiles of tokens (the first tile alone where tiles is 1) in `sums`, moved to
// y after the last part: only rows and tokens that are there.
template <int tiles, bool fill>
void add_part(const product_args& args, const part_of_panel& part, std::int64_t pair,
              std::int8_t* panel, std::int32_t* sums) {
  const std::int64_t m = pair * pair_tokens, n = part.n, groups = part.columns.groups;
  const std::int64_t tokens = args.M - m < tiles * tile_rows ? args.M - m : tiles * tile_rows;
  const std::int64_t rows = args.row_end - n < panel_rows ? args.row_end - n : panel_rows;
  const std::uint8_t* packed = packed_tokens(args, part.columns, pair);
  std::int32_t* y = args.y + m * args.N + n;
  part.first ? clear_sums<tiles>() : load_sums<tiles>(sums);
  if constexpr (fill) {
    filling from = fill_from(args, part, panel);
    fill_and_multiply<tiles>(packed, panel, groups, from);
  } else {
    multiply<tiles>(packed, panel, groups,
                    fetching{y, args.N, part.last ? tokens : 0, pair_tokens / groups / 2 + 1});
  }
  if (part.last && tokens == tiles * tile_rows && rows == panel_rows)
    return store_sums<tiles>(y, tile_rows, tile_rows * args.N, 4 * args.N);
  store_sums<tiles>(sums, tile_sums, 2 * tile_sums, tile_line);
  if (part.last) copy_sums(args, m, n, tokens, rows, sums);
}

template <bool fill>
void add_pair(const product_args& args, const part_of_panel& part, std::int64_t pair,
              std::int8_t* panel, std::int32_t* sums) {
  args.M - pair* pair_tokens > tile_rows ? add_part<2, fill>(args, part, pair, panel, sums)
                                         : add_part<1, fill>(args, part, pair, panel, sums);
}

// Rows n .. n + 31 against pairs begin .. end of tiles of tokens.
void panel_by_tokens(const product_args& args, std::int64_t n, std::int64_t begin, std::int64_t end,
                     workspace& work) {
  const std::int64_t parts = parts_of(args);
  for (std::int64_t p = 0; p < parts; ++p) {
    const part_of_panel part{n, part_at(args, p), p == 0, p == parts - 1};
    std::int32_t* sums = work.sums;
    add_pair<true>(args, part, begin, work.panel, sums);
    for (std::int64_t i = begin + 1; i < end; ++i)
      add_pair<false>(args, part, i, work.panel, sums += pair_tokens * panel_rows);
  }
}

void rows_by_tokens(const product_args& args) {
  workspace work;
  const std::int64_t all = token_pairs(args), block = block_tokens / pair_tokens;
  take_tiles();
  for (std::int64_t i = 0; i < all; i += block) {
    const std::int64_t end = i + block < all ? i + block : all;
    for (std::int64_t n = args.row_begin; n < args.row_end; n += panel_rows)
      panel_by_tokens(args, n, i, end, work);
  }
  release_tiles();
}

}  // namespace

void gemm_native_i2_r4_x86_amx(const gemm_args& args) {
  if (args.block_scales || args.M < least_tokens) return gemm_native_i2_r4_x86_avx512vnni(args);
  switch (args.step) {
    case product_step::plan:
      *args.needs = {panel_rows,
                     static_cast<std::size_t>(token_pairs(args) * pair_tokens * args.K + page),
                     2 * token_pairs(args), false};
      break;
    case product_step::prepare:
      for (std::int64_t i = args.part_begin; i < args.part_end; ++i) pack_tile(args, i / 2, i % 2);
      break;
    case product_step::rows:
      rows_by_tokens(args);
      break;
  }
}

}  // namespace bp
