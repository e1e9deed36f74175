#include "formats/tl2.hpp"

#include "kernels/unpack/unpack.hpp"
#include "kernels/unpack/x86_avx2.hpp"

namespace bp {
namespace {

// Weights of the triples 0..13 (a negative triple has all three negated).
alignas(16) constexpr std::int8_t digits[3][16] = {
    {0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0},
    {0, 0, 1, 1, 1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 0, 0},
    {0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, 0, 0}};

// Four vectors of triple indices and 16 x uint16 of signs to 24 columns of 32 rows.
void unpack_block(const std::uint8_t* indices, const std::uint8_t* signs, __m256i c[24]) {
  const __m256i lanes = load(signs), mask = _mm256_set1_epi8(15);
  for (int t = 0; t < 8; ++t) {
    const __m256i bytes = swap_middle(load(indices + t / 2 * 32));
    const __m256i index = _mm256_and_si256(t % 2 == 0 ? _mm256_srli_epi16(bytes, 4) : bytes, mask);
    // Bit 15-2t of lane r is row r, bit 14-2t row r+16. packs joins them lane by lane:
    //   rows 0-7, 16-23 | 8-15, 24-31
    const auto minus_of = [&](int at) {
      const __m256i bit = _mm256_set1_epi16(static_cast<short>(1 << at));
      return _mm256_cmpeq_epi16(_mm256_and_si256(lanes, bit), bit);
    };
    const __m256i minus =
        swap_middle(_mm256_packs_epi16(minus_of(15 - 2 * t), minus_of(14 - 2 * t)));
    for (int digit = 0; digit < 3; ++digit) {
      const __m256i table = _mm256_broadcastsi128_si256(
          _mm_load_si128(reinterpret_cast<const __m128i*>(digits[digit])));
      const __m256i w = _mm256_shuffle_epi8(table, index);
      c[3 * t + digit] = _mm256_sub_epi8(_mm256_xor_si256(w, minus), minus);
    }
  }
}

}  // namespace

void unpack_tl2_x86_avx2(const unpack_args& args) {
  const tiling& tile = args.tile;
  const std::int64_t K = args.K_padded, K3 = tl2::triple_columns(tile, K);
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 32) {
    std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    __m256i c[24];
    const auto put = [&](std::int64_t k, const __m256i* eight) {
      std::int8_t copy[32 * 8];
      rows_of_columns(eight, columns(args, rows, k, 8, copy));
      keep_columns(args, rows, k, 32, 8, copy);
    };
    for (std::int64_t k = 0; k < K3; k += 24) {
      unpack_block(args.data + tl2::triples_at(tile, K, n, k),
                   args.data + tl2::signs_at(tile, args.N, K, n, k), c);
      for (int part = 0; part < 24; part += 8) put(k + part, c + part);
    }
    for (std::int64_t k = K3; k < K; k += 8) {
      const std::uint8_t* data = args.data + tl2::pairs_at(tile, args.N, K, n, k);
      pair_columns(swap_middle(load(data)), c);
      pair_columns(swap_middle(load(data + 32)), c + 4);
      put(k, c);
    }
  }
}

}  // namespace bp
