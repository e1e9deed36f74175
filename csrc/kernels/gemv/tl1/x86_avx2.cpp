#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/x86_avx2_tl1.hpp"

namespace bp {

void gemv_tl1_x86_avx2(const gemv_args& args) {
  tl1_by_strips(args);
}

}  // namespace bp
