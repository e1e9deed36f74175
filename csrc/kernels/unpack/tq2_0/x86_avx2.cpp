#include "formats/tq2_0.hpp"

#include "kernels/unpack/unpack.hpp"
#include "kernels/unpack/x86_avx2.hpp"

namespace bp {

void unpack_tq2_0_x86_avx2(const unpack_args& args) {
  std::int8_t* row = args.codes;
  const std::uint8_t* data =
      args.data + args.row_begin * args.K_padded / tq2_0::block * tq2_0::block_bytes;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += tq2_0::block, data += tq2_0::block_bytes) {
      std::int8_t copy[tq2_0::block];
      std::int8_t* w = columns(args, row, k, tq2_0::block, copy).w;
      two_bits<0>(data, w);
      two_bits<0>(data + 32, w + 128);
      keep_columns(args, row, k, 1, tq2_0::block, copy);
    }
  }
}

}  // namespace bp
