#include "kernels/gemv/x86_dot.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_i2_s_x86_avx512vnni(const gemv_args& args) {
  gemv_rows_dot<i2_s>(args);
}

}  // namespace bp
