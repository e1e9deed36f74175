#include "formats/tl2.hpp"

#include "kernels/unpack/unpack.hpp"

namespace bp {

void unpack_tl2_scalar(const unpack_args& args) {
  const std::int64_t K = args.K_padded, K3 = tl2::triple_columns(args.tile, K);
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 32) {
    std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    std::int8_t copy[32 * 24];
    for (std::int64_t k = 0; k < K3; k += 24) {
      const rows_out block = columns(args, rows, k, 24, copy);
      tl2::unpack_triples(args.data + tl2::triples_at(args.tile, K, n, k),
                          args.data + tl2::signs_at(args.tile, args.N, K, n, k), block.w,
                          block.stride);
      keep_columns(args, rows, k, 32, 24, copy);
    }
    for (std::int64_t k = K3; k < K; k += 4) {
      const rows_out block = columns(args, rows, k, 4, copy);
      tl2::unpack_pairs(args.data + tl2::pairs_at(args.tile, args.N, K, n, k), block.w,
                        block.stride);
      keep_columns(args, rows, k, 32, 4, copy);
    }
  }
}

}  // namespace bp
