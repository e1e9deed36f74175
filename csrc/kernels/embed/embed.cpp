#include "kernels/embed/embed.hpp"

#include "formats/dense.hpp"
#include "kernels/float_rows.hpp"

namespace bp {

void run_embed(const kernel_row& kernel, const embed_args& args, int threads) {
  const std::int64_t count = args.M * args.K;
  const dense_format& format = find_dense(kernel.format);
  const span_guard span(row_index(kernel),
                        count / format.block * format.block_bytes + 4 * (args.M + count), count);
  run_float_rows(kernel, args, args.K, threads);
}

}  // namespace bp
