#include "kernels/rope/rope.hpp"

#include "kernels/float_rows.hpp"

namespace bp {

void run_rope(const kernel_row& kernel, const rope_args& args, int threads) {
  const std::int64_t turned = args.M * args.heads * args.rope_dim;
  const span_guard span(row_index(kernel), 4 * (2 * turned + args.M * args.rope_dim), 3 * turned);
  run_float_rows(kernel, args, args.heads * args.rope_dim, threads);
}

}  // namespace bp
