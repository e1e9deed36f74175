#include "kernels/gemm/x86_avx512vnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tq2_0_x86_avx512vnni(const gemm_args& args) {
  args.block_scales ? scaled_rows<tq2_0>(args) : gemm_two_bit_dot<sixteen_lanes, tq2_0>(args);
}

}  // namespace bp
