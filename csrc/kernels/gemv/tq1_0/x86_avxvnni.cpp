#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/x86_avxvnni_tq1_0.hpp"

namespace bp {

void gemv_tq1_0_x86_avxvnni(const gemv_args& args) {
  tq1_0_by_fractions<eight_fractions>(args);
}

}  // namespace bp
