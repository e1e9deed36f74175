#include "kernels/gemv/x86_avx2.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_i2_s_x86_avx2(const gemv_args& args) {
  gemv_rows<i2_s>(args);
}

}  // namespace bp
