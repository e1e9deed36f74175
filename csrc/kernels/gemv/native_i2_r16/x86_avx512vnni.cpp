#include "kernels/gemv/x86_avx512_lines.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_native_i2_r16_x86_avx512vnni(const gemv_args& args) {
  if (args.block_scales) return scaled_by_lines(args);
  if (args.step == product_step::plan) args.needs->row_step = 16;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 16) lines_by_tokens<1>(args, n, 0);
}

}  // namespace bp
