#include "kernels/gemm/x86_avx512vnni.hpp"

#include "kernels/gemm/gemm.hpp"
#include "kernels/gemm/x86_avx512_lut.hpp"
#include "kernels/gemv/x86_avx512_tl2.hpp"

namespace bp {

constexpr std::int64_t fewest_of_panels = 12;  // measured

void gemm_tl2_x86_avx512vnni(const gemm_args& args) {
  if (args.M < fewest_of_panels) return tl2_by_codes(args);
  by_panels_dot<sixteen_lanes, tl2_columns<wide_codes>, order_of_tl2>(args);
}

}  // namespace bp
