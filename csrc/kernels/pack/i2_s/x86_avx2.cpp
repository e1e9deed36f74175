#include "kernels/pack/x86_avx2.hpp"

#include "formats/i2_s.hpp"
#include "kernels/pack/pack.hpp"

namespace bp {

void pack_i2_s_x86_avx2(const pack_args& args) {
  const std::int8_t* row = args.codes;
  std::uint8_t* out = args.data + args.row_begin * args.K_padded / 4;
  __m256i highest = _mm256_setzero_si256();
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += i2_s::group, out += i2_s::group_bytes) {
      std::int8_t copy[i2_s::group];
      store(out, two_bits<6>(columns(args, row, k, 1, i2_s::group, copy).w, &highest));
    }
  }
  if (!all_valid(highest)) mark_invalid(args);
}

}  // namespace bp
