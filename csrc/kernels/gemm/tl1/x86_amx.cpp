#include "kernels/gemm/x86_amx_lut.hpp"

namespace bp {

constexpr std::int64_t fewest_of_tiles = 10;  // measured

// Products of few tokens; this CPU runs it too.
void gemm_tl1_x86_avx512vnni(const gemm_args& args);

void gemm_tl1_x86_amx(const gemm_args& args) {
  if (few_tokens(args, fewest_of_tiles)) return gemm_tl1_x86_avx512vnni(args);
  by_tiles<panel_tiles<tl1_columns<wide_codes>, order_as_they_are, 1, 3>>(args);
}

}  // namespace bp
