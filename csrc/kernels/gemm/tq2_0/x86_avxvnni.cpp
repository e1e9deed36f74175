#include "kernels/gemm/x86_avxvnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_tq2_0_x86_avxvnni(const gemm_args& args) {
  args.block_scales ? scaled_rows<tq2_0>(args) : gemm_two_bit_dot<eight_lanes, tq2_0>(args);
}

}  // namespace bp
