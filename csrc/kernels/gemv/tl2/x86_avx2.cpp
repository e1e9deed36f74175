#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/x86_avx2_tl2.hpp"

namespace bp {

void gemv_tl2_x86_avx2(const gemv_args& args) {
  tl2_by_tables(args);
}

}  // namespace bp
