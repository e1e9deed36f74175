#include "kernels/gemv/x86_avx512vnni.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {
namespace {

// Rows n .. n + 3, whose groups stand in one 128-byte line: the weights are one stream.
void four_rows_of(const product_args& args, std::int64_t n) {
  const std::int64_t groups = args.K / group_weights, ahead = args.tuned.prefetch_bytes;
  const std::uint8_t* w = native_i2_r4::group(args.w, args.K, n, 0);
  const std::int8_t* q = args.q;
  __m512i ab[2], cd[2];  // two chains each: a step is shorter than four latencies
  for (int i = 0; i < 2; ++i) ab[i] = cd[i] = _mm512_setzero_si512();
  const auto add = [&](__m512i x, __m512i y, __m512i x4, int chain) {
    ab[chain] = _mm512_dpbusd_epi32(ab[chain], x, x4);
    cd[chain] = _mm512_dpbusd_epi32(cd[chain], y, x4);
  };
  for (std::int64_t g = 0; g < groups; w += 128, q += group_weights, ++g) {
    prefetch(w + ahead);
    prefetch(w + ahead + 64);
    const __m512i x = load_line(w), y = load_line(w + 64);
    add(codes_of<0>(x), codes_of<0>(y), twice(q), 0);
    add(codes_of<1>(x), codes_of<1>(y), twice(q + 32), 1);
    add(codes_of<2>(x), codes_of<2>(y), twice(q + 64), 0);
    add(codes_of<3>(x), codes_of<3>(y), twice(q + 96), 1);
  }
  const __m512i abs = _mm512_add_epi32(ab[0], ab[1]), cds = _mm512_add_epi32(cd[0], cd[1]);
  const __m128i sums =
      _mm_sub_epi32(sum_rows(abs, cds, abs, cds).first, _mm_set1_epi32(args.q_sum[0]));
  _mm_mask_storeu_epi32(args.y + n, row_mask(args.row_end - n), sums);
}

}  // namespace

void gemv_native_i2_r4_x86_avx512vnni(const gemv_args& args) {
  if (args.block_scales) return scaled_rows<native_i2_r4>(args);
  if (args.step == product_step::plan) args.needs->row_step = 4;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 4) four_rows_of(args, n);
}

}  // namespace bp
