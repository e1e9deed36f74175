#include "kernels/gemv/x86_avx512vnni.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm/x86_avx512vnni.hpp"

namespace bp {
namespace {

constexpr std::int64_t block_rows = 64;       // 40 KiB of weights of 2560 columns: L2 holds them
constexpr std::int64_t block_columns = 2560;  // twelve tokens of them stay in L1
constexpr int most_tokens = 12;               // of a tile: 24 sums, of 32 registers

// The activations of a tile, group by group: [K / 128][tokens][128], from byte m * K on.
void pack_tile(const product_args& args, const tile& part) {
  std::uint8_t* to = args.shared + part.m * args.K;
  for (std::int64_t k = 0; k < args.K; k += group_weights) {
    for (std::int64_t t = 0; t < part.tokens; ++t, to += group_weights) {
      const std::int8_t* from = args.q + (part.m + t) * args.K + k;
      _mm512_storeu_si512(to, load_line(from));
      _mm512_storeu_si512(to + 64, load_line(from + 64));
    }
  }
}

// ab += x . q, cd += y . q with 32 activations q in both halves. Written out, because GCC 12 loads
// and unpacks far ahead otherwise, and runs out of registers.
inline __attribute__((always_inline)) void add_products(__m512i& ab, __m512i& cd, __m512i x,
                                                        __m512i y, const std::uint8_t* q) {
  __m512i both;
  asm volatile(
      "vbroadcasti64x4 %[q], %[both]\n vpdpbusd %[both], %[x], %[ab]\n"
      "vpdpbusd %[both], %[y], %[cd]"
      : [ab] "+v"(ab), [cd] "+v"(cd), [both] "=&v"(both)
      : [x] "v"(x), [y] "v"(y), [q] "m"(*reinterpret_cast<const __m256i_u*>(q)));
}

// The codes s of both lines against T tokens.
template <int s, int T, int... t>
inline __attribute__((always_inline)) void add_quarter(numbers<t...>, __m512i& x, __m512i& y,
                                                       const std::uint8_t* q, __m512i (&ab)[T],
                                                       __m512i (&cd)[T]) {
  const __m512i x_codes = codes_of<s>(x), y_codes = codes_of<s>(y);
  (add_products(ab[t], cd[t], x_codes, y_codes, q + t * group_weights + 32 * s), ...);
  asm volatile("" : "+v"(x), "+v"(y));  // the next quarter is unpacked after this one
}

template <int T, int... t>
inline __attribute__((always_inline)) void clear(numbers<t...>, __m512i (&ab)[T],
                                                 __m512i (&cd)[T]) {
  ((ab[t] = cd[t] = _mm512_setzero_si512()), ...);
}

// sums[t]: rows n .. n + 3 of token t.
template <int T, int... t>
inline __attribute__((always_inline)) void sum_all(numbers<t...>, const __m512i (&ab)[T],
                                                   const __m512i (&cd)[T], __m128i (&sums)[T]) {
  const auto two = [&](__m512i ab0, __m512i cd0, __m512i ab1, __m512i cd1, int at) {
    const two_tokens found = sum_rows(ab0, cd0, ab1, cd1);
    sums[at] = found.first;
    if (at + 1 < T) sums[at + 1] = found.second;
  };
  constexpr int last = T - 1;
  ((t % 2 == 0 ? two(ab[t], cd[t], ab[t < last ? t + 1 : t], cd[t < last ? t + 1 : t], t) : void()),
   ...);
}

struct block {
  std::int64_t row_begin, row_end, k, columns;
};

// y of rows n .. n + 3 and the T tokens from m on: the sum over the columns of the block, with that
// of the columns before where k > 0.
template <int T>
inline void four_rows_by_tokens(const product_args& args, const block& part, std::int64_t n,
                                std::int64_t m) {
  const std::uint8_t* w = native_i2_r4::group(args.w, args.K, n, part.k / group_weights);
  const std::uint8_t* q = args.shared + m * args.K + part.k * T;
  constexpr typename numbers_below<T>::type all{};
  __m512i ab[T], cd[T];
  clear(all, ab, cd);
  for (std::int64_t k = 0; k < part.columns; k += group_weights) {
    __m512i x = load_line(w), y = load_line(w + 64);
    add_quarter<0, T>(all, x, y, q, ab, cd);
    add_quarter<1, T>(all, x, y, q, ab, cd);
    add_quarter<2, T>(all, x, y, q, ab, cd);
    add_quarter<3, T>(all, x, y, q, ab, cd);
    w += 128;
    q += T * group_weights;
  }
  __m128i sums[T];
  sum_all(all, ab, cd, sums);
  const auto mask = row_mask(args.row_end - n);
  for (int t = 0; t < T; ++t) {
    std::int32_t* to = args.y + (m + t) * args.N + n;
    const __m128i before =
        part.k == 0 ? _mm_set1_epi32(-args.q_sum[m + t]) : _mm_maskz_loadu_epi32(mask, to);
    _mm_mask_storeu_epi32(to, mask, _mm_add_epi32(sums[t], before));
  }
}

template <int T>
void rows_by_tokens(const product_args& args, const block& part, std::int64_t m) {
  for (std::int64_t n = part.row_begin; n < part.row_end; n += 4)
    four_rows_by_tokens<T>(args, part, n, m);
}

using rows_function = void (*)(const product_args&, const block&, std::int64_t);
constexpr rows_function rows_of_tokens[most_tokens] = {
    rows_by_tokens<1>, rows_by_tokens<2>,  rows_by_tokens<3>,  rows_by_tokens<4>,
    rows_by_tokens<5>, rows_by_tokens<6>,  rows_by_tokens<7>,  rows_by_tokens<8>,
    rows_by_tokens<9>, rows_by_tokens<10>, rows_by_tokens<11>, rows_by_tokens<12>};

// A block of weights against all tokens before the next one.
void blocks(const product_args& args) {
  for (std::int64_t n = args.row_begin; n < args.row_end; n += block_rows) {
    const std::int64_t end = n + block_rows < args.row_end ? n + block_rows : args.row_end;
    for (std::int64_t k = 0; k < args.K; k += block_columns) {
      const std::int64_t left = args.K - k;
      const block part{n, end, k, left < block_columns ? left : block_columns};
      for (std::int64_t i = 0; i < tiles_of(args.M, most_tokens); ++i) {
        const tile tokens = tile_at(args.M, most_tokens, i);
        rows_of_tokens[tokens.tokens - 1](args, part, tokens.m);
      }
    }
  }
}

}  // namespace

void gemm_native_i2_r4_x86_avx512vnni(const gemm_args& args) {
  if (args.block_scales) return scaled_rows<native_i2_r4>(args);
  if (args.M >= args.tuned.avx512_panel_tokens)
    return by_panels_dot<sixteen_lanes, two_bit_panel<native_i2_r4>>(args);
  switch (args.step) {
    case product_step::plan:
      *args.needs = {4, static_cast<std::size_t>(args.M * args.K), tiles_of(args.M, most_tokens)};
      break;
    case product_step::prepare:
      for (std::int64_t i = args.part_begin; i < args.part_end; ++i)
        pack_tile(args, tile_at(args.M, most_tokens, i));
      break;
    case product_step::rows:
      blocks(args);
      break;
  }
}

}  // namespace bp
