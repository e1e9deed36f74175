#include "formats/tl2.hpp"

#include "kernels/pack/pack.hpp"

namespace bp {
namespace {

bool valid_block(const std::int8_t* w, std::int64_t stride, int width) {
  unsigned bad = 0;
  for (int r = 0; r < 32; ++r)
    for (int c = 0; c < width; ++c) bad |= static_cast<std::uint8_t>(w[r * stride + c] + 1) > 2;
  return bad == 0;
}

}  // namespace

void pack_tl2_scalar(const pack_args& args) {
  const std::int64_t K = args.K_padded, K3 = tl2::triple_columns(args.tile, K);
  bool valid = true;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 32) {
    const std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    std::int8_t copy[32 * 24];
    for (std::int64_t k = 0; k < K3; k += 24) {
      const rows_in block = columns(args, rows, k, 32, 24, copy);
      valid &= valid_block(block.w, block.stride, 24);
      tl2::pack_triples(block.w, block.stride, args.data + tl2::triples_at(args.tile, K, n, k),
                        args.data + tl2::signs_at(args.tile, args.N, K, n, k));
    }
    for (std::int64_t k = K3; k < K; k += 4) {
      const rows_in block = columns(args, rows, k, 32, 4, copy);
      valid &= valid_block(block.w, block.stride, 4);
      tl2::pack_pairs(block.w, block.stride, args.data + tl2::pairs_at(args.tile, args.N, K, n, k));
    }
  }
  if (!valid) mark_invalid(args);
}

}  // namespace bp
