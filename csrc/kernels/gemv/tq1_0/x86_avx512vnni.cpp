#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/x86_avx512_tq1_0.hpp"

namespace bp {

void gemv_tq1_0_x86_avx512vnni(const gemv_args& args) {
  tq1_0_by_fractions<sixteen_fractions>(args);
}

}  // namespace bp
