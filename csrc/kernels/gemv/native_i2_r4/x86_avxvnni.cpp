#include "kernels/gemv/x86_dot.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_native_i2_r4_x86_avxvnni(const gemv_args& args) {
  if (args.block_scales) return scaled_rows<native_i2_r4>(args);
  if (args.step == product_step::plan) args.needs->row_step = 4;
  if (args.step != product_step::rows) return;
  for (std::int64_t n = args.row_begin; n < args.row_end; n += 4) four_rows_dot(args, n);
}

}  // namespace bp
