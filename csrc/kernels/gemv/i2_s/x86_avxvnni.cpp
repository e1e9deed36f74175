#include "kernels/gemv/x86_dot.hpp"

#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_i2_s_x86_avxvnni(const gemv_args& args) {
  gemv_rows_dot<i2_s>(args);
}

}  // namespace bp
