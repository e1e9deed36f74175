#include "formats/native_i2_r16.hpp"

#include "kernels/unpack/unpack.hpp"

namespace bp {

void unpack_native_i2_r16_scalar(const unpack_args& args) {
  std::int8_t* row = args.codes;
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += i2_s::group) {
      std::uint8_t group[i2_s::group_bytes];
      native_i2_r16::take_group(
          args.data + native_i2_r16::group_offset(args.K_padded, n, k / i2_s::group), group);
      std::int8_t copy[i2_s::group];
      i2_s::unpack_group(group, columns(args, row, k, i2_s::group, copy).w);
      keep_columns(args, row, k, 1, i2_s::group, copy);
    }
  }
}

}  // namespace bp
