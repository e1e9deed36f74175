#include "formats/tl1.hpp"

#include "kernels/unpack/unpack.hpp"

namespace bp {

void unpack_tl1_scalar(const unpack_args& args) {
  const int bm = args.tile.bm, by = 256 / bm;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += bm) {
    std::int8_t* rows = args.codes + (n - args.row_begin) * args.K;
    for (std::int64_t k = 0; k < args.K_padded; k += by) {
      std::int8_t copy[256];
      const rows_out unit = columns(args, rows, k, by, copy);
      tl1::unpack_unit(args.data + tl1::byte_offset(args.tile, args.K_padded, n, k), bm, unit.w,
                       unit.stride);
      keep_columns(args, rows, k, bm, by, copy);
    }
  }
}

}  // namespace bp
