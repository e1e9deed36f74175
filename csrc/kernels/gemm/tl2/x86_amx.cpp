#include "kernels/gemm/x86_amx_lut.hpp"

namespace bp {

constexpr std::int64_t fewest_of_tiles = 5;  // measured

// Products of few tokens; this CPU runs it too.
void gemm_tl2_x86_avx512vnni(const gemm_args& args);

void gemm_tl2_x86_amx(const gemm_args& args) {
  if (few_tokens(args, fewest_of_tiles)) return gemm_tl2_x86_avx512vnni(args);
  by_tiles<panel_tiles<tl2_columns<wide_codes>, order_of_tl2, 3, 3>>(args);
}

}  // namespace bp
