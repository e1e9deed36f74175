#include "kernels/gemv/arm_tq1_0.hpp"
#include "kernels/gemv/gemv.hpp"

namespace bp {

void gemv_tq1_0_arm_neondot(const gemv_args& args) {
  tq1_0_by_rows(args);
}

}  // namespace bp
