#include "kernels/gemm/x86_avx2.hpp"

#include "kernels/families.hpp"

namespace bp {

void gemm_native_i2_r4_x86_avx2(const gemm_args& args) {
  gemm_two_bit<native_i2_r4>(args);
}

}  // namespace bp
