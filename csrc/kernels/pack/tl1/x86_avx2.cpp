#include "formats/tl1.hpp"

#include "kernels/pack/pack.hpp"
#include "kernels/pack/x86_avx2.hpp"

namespace bp {

void pack_tl1_x86_avx2(const pack_args& args) {
  const tiling& tile = args.tile;
  const std::int64_t K = args.K_padded, by = 256 / tile.bm,
                     panel = std::int64_t{1} * tile.BM * tile.BK / 4;
  __m256i seen = _mm256_setzero_si256();
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 32) {
    const std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    std::uint8_t* at = args.data + tl1::byte_offset(tile, K, n, 0);  // of column 0 of a panel
    std::int64_t column = 0;                                         // within the panel
    for (std::int64_t k = 0; k < K; k += 8) {
      std::int8_t copy[32 * 8];
      __m256i c[8];
      columns_of_rows(columns(args, rows, k, 32, 8, copy), c);
      seen = largest(c, seen);
      for (int quad = 0; quad < 2; ++quad) {
        const __m256i bytes = pair_bytes(c + 4 * quad);
        std::uint8_t* out = at + column / by * 64 + column % by * 4;
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(bytes));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + by * 4),
                         _mm256_extracti128_si256(bytes, 1));
        column += 4;
        if (column == tile.BK) {
          column = 0;
          at += panel;
        }
      }
    }
  }
  if (!all_ternary(seen)) mark_invalid(args);
}

}  // namespace bp
