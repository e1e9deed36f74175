#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/scalar_tl2.hpp"

namespace bp {

void gemv_tl2_scalar(const gemv_args& args) {
  tl2_rows(args);
}

}  // namespace bp
