#include "formats/tq1_0.hpp"

#include "kernels/unpack/unpack.hpp"

namespace bp {

void unpack_tq1_0_scalar(const unpack_args& args) {
  std::int8_t* row = args.codes;
  const std::uint8_t* data =
      args.data + args.row_begin * args.K_padded / tq1_0::block * tq1_0::block_bytes;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += tq1_0::block, data += tq1_0::block_bytes) {
      std::int8_t copy[tq1_0::block];
      tq1_0::unpack_block(data, columns(args, row, k, tq1_0::block, copy).w);
      keep_columns(args, row, k, 1, tq1_0::block, copy);
    }
  }
}

}  // namespace bp
