#include "kernels/rms_norm/rms_norm.hpp"

#include "kernels/float_rows.hpp"

namespace bp {

void run_rms_norm(const kernel_row& kernel, const rms_norm_args& args, int threads) {
  const kernel_work work = work_of(args);
  const span_guard span(row_index(kernel), work.bytes, work.ops);
  run_float_rows(kernel, args, args.K, threads);
}

}  // namespace bp
