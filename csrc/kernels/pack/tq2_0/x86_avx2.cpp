#include "formats/tq2_0.hpp"

#include "kernels/pack/pack.hpp"
#include "kernels/pack/x86_avx2.hpp"

namespace bp {

void pack_tq2_0_x86_avx2(const pack_args& args) {
  const std::int8_t* row = args.codes;
  std::uint8_t* out =
      args.data + args.row_begin * args.K_padded / tq2_0::block * tq2_0::block_bytes;
  __m256i highest = _mm256_setzero_si256();
  for (std::int64_t n = args.row_begin; n < args.row_end; ++n, row += args.K) {
    for (std::int64_t k = 0; k < args.K_padded; k += tq2_0::block, out += tq2_0::block_bytes) {
      std::int8_t copy[tq2_0::block];
      const std::int8_t* w = columns(args, row, k, 1, tq2_0::block, copy).w;
      store(out, two_bits<0>(w, &highest));
      store(out + 32, two_bits<0>(w + 128, &highest));
      std::memcpy(out + tq2_0::scale_at, &args.d, 2);
    }
  }
  if (!all_valid(highest)) mark_invalid(args);
}

}  // namespace bp
