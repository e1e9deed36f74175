#include "kernels/add/add.hpp"

#include "kernels/float_rows.hpp"

namespace bp {

void run_add(const kernel_row& kernel, const add_args& args, int threads) {
  const kernel_work work = work_of(args);
  const span_guard span(row_index(kernel), work.bytes, work.ops);
  run_elementwise(kernel, args, threads);
}

}  // namespace bp
