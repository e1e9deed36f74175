#include "kernels/gemm/x86_amx_lut.hpp"
#include "kernels/gemm/x86_avx512_tq1_0.hpp"

namespace bp {

constexpr std::int64_t fewest_of_tiles = 16;  // measured

// Products of few tokens, and those whose blocks have scales; this CPU runs it too.
void gemm_tq1_0_x86_avx512vnni(const gemm_args& args);

void gemm_tq1_0_x86_amx(const gemm_args& args) {
  if (args.block_scales || few_tokens(args, fewest_of_tiles))
    return gemm_tq1_0_x86_avx512vnni(args);
  by_tiles<panel_tiles<tq1_0_lines, order_as_they_are, 2, 4>>(args);
}

}  // namespace bp
