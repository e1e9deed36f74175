#include "formats/i2_s.hpp"

#include "kernels/pack/pack.hpp"

namespace bp {

void pack_i2_s_scalar(const pack_args& args) {
  const std::int8_t* row = args.codes;
  std::uint8_t* out = args.data + args.row_begin * args.K_padded / 4;
  bool valid = true;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += i2_s::group, out += i2_s::group_bytes) {
      std::int8_t copy[i2_s::group];
      valid &= i2_s::pack_group(columns(args, row, k, 1, i2_s::group, copy).w, out);
    }
  }
  if (!valid) mark_invalid(args);
}

}  // namespace bp
