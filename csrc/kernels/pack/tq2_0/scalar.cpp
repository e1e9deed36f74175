#include "formats/tq2_0.hpp"

#include "kernels/pack/pack.hpp"

namespace bp {

void pack_tq2_0_scalar(const pack_args& args) {
  const std::int8_t* row = args.codes;
  std::uint8_t* out =
      args.data + args.row_begin * args.K_padded / tq2_0::block * tq2_0::block_bytes;
  bool valid = true;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += tq2_0::block, out += tq2_0::block_bytes) {
      std::int8_t copy[tq2_0::block];
      valid &= tq2_0::pack_block(columns(args, row, k, 1, tq2_0::block, copy).w, args.d, out);
    }
  }
  if (!valid) mark_invalid(args);
}

}  // namespace bp
