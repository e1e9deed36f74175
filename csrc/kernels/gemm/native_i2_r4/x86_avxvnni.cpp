#include "kernels/gemm/x86_avxvnni.hpp"

#include "kernels/gemm/gemm.hpp"

namespace bp {

void gemm_native_i2_r4_x86_avxvnni(const gemm_args& args) {
  args.block_scales ? scaled_rows<native_i2_r4>(args)
                    : gemm_two_bit_dot<eight_lanes, native_i2_r4>(args);
}

}  // namespace bp
