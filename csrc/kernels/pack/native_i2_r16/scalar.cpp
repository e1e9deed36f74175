#include "formats/native_i2_r16.hpp"

#include "kernels/pack/pack.hpp"

namespace bp {

void pack_native_i2_r16_scalar(const pack_args& args) {
  constexpr int rows = native_i2_r16::rows;
  std::uint8_t none[i2_s::group_bytes];
  std::memset(none, 0x55, sizeof none);  // code 1 four times
  bool valid = true;
  const std::int64_t last = (args.row_end + rows - 1) / rows * rows;
  for (std::int64_t n = args.row_begin; n < last; ++n) {
    const std::int8_t* row = args.codes + (n - args.row_begin) * args.K;
    for (std::int64_t k = 0; k < args.K_padded; k += i2_s::group) {
      std::uint8_t* out =
          args.data + native_i2_r16::group_offset(args.K_padded, n, k / i2_s::group);
      if (n >= args.N) {
        native_i2_r16::put_group(none, out);
        continue;
      }
      std::int8_t copy[i2_s::group];
      std::uint8_t group[i2_s::group_bytes];
      valid &= i2_s::pack_group(columns(args, row, k, 1, i2_s::group, copy).w, group);
      native_i2_r16::put_group(group, out);
    }
  }
  if (!valid) mark_invalid(args);
}

}  // namespace bp
