#include "formats/native_i2_r4.hpp"

#include "kernels/pack/pack.hpp"
#include "kernels/pack/x86_avx2.hpp"

namespace bp {

void pack_native_i2_r4_x86_avx2(const pack_args& args) {
  constexpr int rows = native_i2_r4::rows;
  const __m256i zeros = _mm256_set1_epi8(0x55);  // code 1 four times
  __m256i highest = _mm256_setzero_si256();
  std::uint8_t* out = args.data + native_i2_r4::group_offset(args.K_padded, args.row_begin, 0);
  for (std::int64_t n = args.row_begin; n < args.row_end; n += rows) {
    const std::int8_t* first = args.codes + (n - args.row_begin) * args.K;
    for (std::int64_t k = 0; k < args.K_padded; k += i2_s::group) {
      for (int r = 0; r < rows; ++r, out += i2_s::group_bytes) {
        std::int8_t copy[i2_s::group];
        if (n + r >= args.N) {
          store(out, zeros);
          continue;
        }
        const std::int8_t* w = columns(args, first + r * args.K, k, 1, i2_s::group, copy).w;
        store(out, two_bits<6>(w, &highest));
      }
    }
  }
  if (!all_valid(highest)) mark_invalid(args);
}

}  // namespace bp
