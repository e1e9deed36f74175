#include "kernels/relu2_mul/relu2_mul.hpp"

#include "kernels/float_rows.hpp"

namespace bp {

void run_relu2_mul(const kernel_row& kernel, const relu2_mul_args& args, int threads) {
  const kernel_work work = work_of(args);
  const span_guard span(row_index(kernel), work.bytes, work.ops);
  run_elementwise(kernel, args, threads);
}

}  // namespace bp
