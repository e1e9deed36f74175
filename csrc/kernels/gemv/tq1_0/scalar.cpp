#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/scalar_tq1_0.hpp"

namespace bp {

void gemv_tq1_0_scalar(const gemv_args& args) {
  tq1_0_rows(args);
}

}  // namespace bp
