#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/x86_avx2_tq1_0.hpp"

namespace bp {

void gemv_tq1_0_x86_avx2(const gemv_args& args) {
  tq1_0_by_rows(args);
}

}  // namespace bp
