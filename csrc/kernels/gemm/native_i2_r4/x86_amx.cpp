#include "kernels/gemm/x86_amx_panels.hpp"

namespace bp {

// Products of few tokens, and those whose blocks have scales; this CPU runs it too.
void gemm_native_i2_r4_x86_avx512vnni(const gemm_args& args);

void gemm_native_i2_r4_x86_amx(const gemm_args& args) {
  if (args.block_scales || args.M < args.tuned.amx_tokens)
    return gemm_native_i2_r4_x86_avx512vnni(args);
  by_tiles<four_streams>(args);
}

}  // namespace bp
