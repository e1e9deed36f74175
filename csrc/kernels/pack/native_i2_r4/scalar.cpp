#include "formats/native_i2_r4.hpp"

#include "kernels/pack/pack.hpp"

namespace bp {

void pack_native_i2_r4_scalar(const pack_args& args) {
  bool valid = true;
  const std::int64_t last =
      (args.row_end + native_i2_r4::rows - 1) / native_i2_r4::rows * native_i2_r4::rows;
  for (std::int64_t n = args.row_begin; n < last; ++n) {
    const std::int8_t* row = args.codes + (n - args.row_begin) * args.K;
    for (std::int64_t k = 0; k < args.K_padded; k += i2_s::group) {
      std::uint8_t* out = args.data + native_i2_r4::group_offset(args.K_padded, n, k / i2_s::group);
      if (n >= args.N) {
        std::memset(out, 0x55, i2_s::group_bytes);  // code 1 four times
        continue;
      }
      std::int8_t copy[i2_s::group];
      valid &= i2_s::pack_group(columns(args, row, k, 1, i2_s::group, copy).w, out);
    }
  }
  if (!valid) mark_invalid(args);
}

}  // namespace bp
