#include "kernels/gemv/x86_dot.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_tq2_0_x86_avx512vnni(const gemv_args& args) {
  args.block_scales ? scaled_rows<tq2_0>(args) : gemv_rows_dot<tq2_0>(args);
}

}  // namespace bp
