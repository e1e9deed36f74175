#include "kernels/gemm/x86_avx512vnni.hpp"

#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm/x86_avx512_tq1_0.hpp"

namespace bp {

constexpr std::int64_t fewest_of_panels = 6;  // measured

void gemm_tq1_0_x86_avx512vnni(const gemm_args& args) {
  if (args.block_scales || args.M < fewest_of_panels)
    return tq1_0_by_fractions<sixteen_fractions>(args);
  by_panels_dot<sixteen_lanes, tq1_0_lines>(args);
}

}  // namespace bp
