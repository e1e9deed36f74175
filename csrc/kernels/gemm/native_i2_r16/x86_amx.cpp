#include "kernels/gemm/x86_amx_few_tokens.hpp"
#include "kernels/gemm/x86_amx_panels.hpp"

namespace bp {

// Products of few tokens, and those whose blocks have scales; this CPU runs it too.
void gemm_native_i2_r16_x86_avx512vnni(const gemm_args& args);

void gemm_native_i2_r16_x86_amx(const gemm_args& args) {
  if (args.block_scales || args.M < args.tuned.amx_tokens)
    return gemm_native_i2_r16_x86_avx512vnni(args);
  if (args.step == product_step::rows && args.M <= tile_rows) return few_by_tiles(args);
  by_tiles<one_stream>(args);
  if (args.step == product_step::plan && args.M <= tile_rows) args.needs->row_step = set_rows;
}

}  // namespace bp
