#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/scalar_tl1.hpp"

namespace bp {

void gemv_tl1_scalar(const gemv_args& args) {
  tl1_rows(args);
}

}  // namespace bp
