#include "formats/native_i2_r16.hpp"

#include "kernels/pack/pack.hpp"
#include "kernels/pack/x86_avx2.hpp"

namespace bp {

void pack_native_i2_r16_x86_avx2(const pack_args& args) {
  constexpr int rows = native_i2_r16::rows;
  __m256i highest = _mm256_setzero_si256();
  const std::int64_t last = (args.row_end + rows - 1) / rows * rows;
  for (std::int64_t n = args.row_begin; n < last; ++n) {
    const std::int8_t* row = args.codes + (n - args.row_begin) * args.K;
    std::uint8_t* out = args.data + native_i2_r16::group_offset(args.K_padded, n, 0);
    for (std::int64_t k = 0; k < args.K_padded;
         k += i2_s::group, out += native_i2_r16::step_bytes) {
      std::int8_t copy[i2_s::group];
      alignas(32) std::uint8_t group[i2_s::group_bytes];
      store(group, n < args.N ? two_bits<6>(columns(args, row, k, 1, i2_s::group, copy).w, &highest)
                              : _mm256_set1_epi8(0x55));  // code 1 four times
      native_i2_r16::put_group(group, out);
    }
  }
  if (!all_valid(highest)) mark_invalid(args);
}

}  // namespace bp
