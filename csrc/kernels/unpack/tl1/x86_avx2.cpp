#include "formats/tl1.hpp"

#include "kernels/unpack/unpack.hpp"
#include "kernels/unpack/x86_avx2.hpp"

namespace bp {

void unpack_tl1_x86_avx2(const unpack_args& args) {
  const tiling& tile = args.tile;
  const std::int64_t K = args.K_padded, by = 256 / tile.bm;
  const std::int64_t panel = std::int64_t{1} * tile.BM * tile.BK / 4;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 32) {
    std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    const std::uint8_t* at = args.data + tl1::byte_offset(tile, K, n, 0);  // column 0 of a panel
    std::int64_t column = 0;                                               // within the panel
    for (std::int64_t k = 0; k < K; k += 8) {
      __m256i c[8];
      for (int quad = 0; quad < 2; ++quad) {
        const std::uint8_t* from = at + column / by * 64 + column % by * 4;
        pair_columns(_mm256_loadu2_m128i(reinterpret_cast<const __m128i*>(from + by * 4),
                                         reinterpret_cast<const __m128i*>(from)),
                     c + 4 * quad);
        column += 4;
        if (column == tile.BK) {
          column = 0;
          at += panel;
        }
      }
      std::int8_t copy[32 * 8];
      rows_of_columns(c, columns(args, rows, k, 8, copy));
      keep_columns(args, rows, k, 32, 8, copy);
    }
  }
}

}  // namespace bp
