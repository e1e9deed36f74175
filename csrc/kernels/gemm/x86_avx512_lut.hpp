// Panels of tl1 and tl2 with vectors of 64 bytes, a line [16 rows][4 columns] each. Columns of
// triples stand in the order of x86_avx512_tl.hpp, so activations must. For ISA files: in an
// anonymous namespace.
#pragma once

#include "kernels/gemm/x86_avx2_lut.hpp"
#include "kernels/gemv/x86_avx512_tl2.hpp"

namespace bp {
namespace {

// What tl_panels.hpp asks for.
struct wide_codes {
  // Two pair indices of sixteen rows as four columns.
  //   bytes, each four times                  b b b b
  //   the first two shifted, low nibbles      i i j j
  //   look-ups, by turns                      w0(i) w1(i) w0(j) w1(j)
  static void store_pairs(std::uint8_t* panel, __m128i bytes) {
    const __m512i dwords = _mm512_cvtepu8_epi32(bytes);
    const __m512i four_times = _mm512_shuffle_epi8(
        dwords,
        _mm512_broadcast_i32x4(_mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12)));
    const __m512i indices = low_indices(_mm512_srlv_epi16(four_times, _mm512_set1_epi32(4)));
    const __m512i first = _mm512_shuffle_epi8(codes_by_index(tl_pair[0]), indices);
    _mm512_store_si512(panel, _mm512_mask_shuffle_epi8(first, 0xaaaaaaaaaaaaaaaa,
                                                       codes_by_index(tl_pair[1]), indices));
  }

  static void pairs(std::uint8_t* panel, const std::uint8_t* w) {
    store_pairs(panel, load_half(w));
  }
  static void pairs(std::uint8_t* panel, const std::uint8_t* w, std::int64_t n) {
    store_pairs(panel, sixteen(w, n));
  }

  template <int half>
  static void triples(std::uint8_t* panel, __m512i bytes, __m512i signs) {
    const __mmask64 high_negative = high_signs<half>(signs), low_negative = low_signs<half>(signs);
    const __m512i high = high_indices(bytes), low = low_indices(bytes);
    _mm512_store_si512(panel, triple_codes<0>(high, high_negative));
    _mm512_store_si512(panel + 64, triple_codes<1>(high, high_negative));
    _mm512_store_si512(panel + 128, triple_codes<2>(high, high_negative));
    _mm512_store_si512(panel + 192, triple_codes<0>(low, low_negative));
    _mm512_store_si512(panel + 256, triple_codes<1>(low, low_negative));
    _mm512_store_si512(panel + 320, triple_codes<2>(low, low_negative));
  }
  static void triples(std::uint8_t* panel, const std::uint8_t* w, const std::uint8_t* signs,
                      std::int64_t n) {
    const joined_rows bytes = join_rows(w);
    n % 32 == 0 ? triples<0>(panel, bytes.of[0], sign_bytes(signs))
                : triples<1>(panel, bytes.of[1], sign_bytes(signs));
  }
};

// What x86_dot.hpp asks for.
struct order_of_tl2 {
  std::int64_t K3;

  explicit order_of_tl2(const product_args& args) : K3(args.K / args.tile.BK * args.tile.BK) {}
  std::int64_t step(std::int64_t k) const { return k < K3 ? triple_step : 4; }
  void put(const std::int8_t* q, std::int64_t k, std::uint8_t* to) const {
    k < K3 ? arrange_triples(q, to) : static_cast<void>(__builtin_memcpy(to, q, 4));
  }
};

}  // namespace
}  // namespace bp
