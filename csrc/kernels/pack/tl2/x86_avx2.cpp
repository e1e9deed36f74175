#include "formats/tl2.hpp"

#include "kernels/pack/pack.hpp"
#include "kernels/pack/x86_avx2.hpp"

namespace bp {
namespace {

__m256i times_three(__m256i v) {
  return _mm256_add_epi8(_mm256_add_epi8(v, v), v);
}

// 24 columns of 32 rows: four vectors of triple indices and 16 x uint16 of signs.
void pack_block(const __m256i c[24], std::uint8_t* indices, std::uint8_t* signs) {
  __m256i lanes = _mm256_setzero_si256();
  for (int j = 0; j < 4; ++j) {
    __m256i byte = _mm256_setzero_si256();
    for (int t = 2 * j; t < 2 * j + 2; ++t) {
      const __m256i w01 = _mm256_add_epi8(times_three(c[3 * t]), c[3 * t + 1]);
      const __m256i v = _mm256_add_epi8(times_three(w01), c[3 * t + 2]);
      const __m256i minus = _mm256_cmpgt_epi8(_mm256_setzero_si256(), v);
      // Row r (low lane) to bit 15-2t of lane r, row r + 16 (high lane) to bit 14-2t.
      const __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(minus));
      const __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(minus, 1));
      const auto bit = [](int at) { return _mm256_set1_epi16(static_cast<short>(1 << at)); };
      lanes = _mm256_or_si256(lanes, _mm256_and_si256(low, bit(15 - 2 * t)));
      lanes = _mm256_or_si256(lanes, _mm256_and_si256(high, bit(14 - 2 * t)));
      byte = _mm256_or_si256(_mm256_slli_epi16(byte, 4), _mm256_abs_epi8(v));
    }
    store(indices + 32 * j, swap_middle(byte));
  }
  store(signs, lanes);
}

}  // namespace

void pack_tl2_x86_avx2(const pack_args& args) {
  const tiling& tile = args.tile;
  const std::int64_t K = args.K_padded, K3 = tl2::triple_columns(tile, K);
  __m256i seen = _mm256_setzero_si256();
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 32) {
    const std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    std::int8_t copy[32 * 8];
    __m256i c[24];
    for (std::int64_t k = 0; k < K3; k += 24) {
      for (int part = 0; part < 24; part += 8) {
        columns_of_rows(columns(args, rows, k + part, 32, 8, copy), c + part);
        seen = largest(c + part, seen);
      }
      pack_block(c, args.data + tl2::triples_at(tile, K, n, k),
                 args.data + tl2::signs_at(tile, args.N, K, n, k));
    }
    for (std::int64_t k = K3; k < K; k += 8) {
      columns_of_rows(columns(args, rows, k, 32, 8, copy), c);
      seen = largest(c, seen);
      std::uint8_t* out = args.data + tl2::pairs_at(tile, args.N, K, n, k);
      store(out, swap_middle(pair_bytes(c)));
      store(out + 32, swap_middle(pair_bytes(c + 4)));
    }
  }
  if (!all_ternary(seen)) mark_invalid(args);
}

}  // namespace bp
