#include "kernels/rms_norm/rms_norm.hpp"

#include "kernels/float_rows.hpp"

namespace bp {

void run_rms_norm(const kernel_row& kernel, const rms_norm_args& args, int threads) {
  const std::int64_t count = args.M * args.K;
  const span_guard span(row_index(kernel), 4 * (2 * count + args.K), 4 * count);
  run_float_rows(kernel, args, args.K, threads);
}

}  // namespace bp
