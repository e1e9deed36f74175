#include "formats/tl1.hpp"

#include "kernels/pack/pack.hpp"

namespace bp {
namespace {

bool valid_unit(const std::int8_t* w, std::int64_t stride, int rows, int width) {
  unsigned bad = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < width; ++c) bad |= static_cast<std::uint8_t>(w[r * stride + c] + 1) > 2;
  return bad == 0;
}

}  // namespace

void pack_tl1_scalar(const pack_args& args) {
  const int bm = args.tile.bm, by = 256 / bm;
  bool valid = true;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += bm) {
    const std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    for (std::int64_t k = 0; k < args.K_padded; k += by) {
      std::int8_t copy[256];
      const rows_in unit = columns(args, rows, k, bm, by, copy);
      valid &= valid_unit(unit.w, unit.stride, bm, by);
      tl1::pack_unit(unit.w, unit.stride, bm,
                     args.data + tl1::byte_offset(args.tile, args.K_padded, n, k));
    }
  }
  if (!valid) mark_invalid(args);
}

}  // namespace bp
