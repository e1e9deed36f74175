#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/x86_avx512_tl1.hpp"

namespace bp {

void gemv_tl1_x86_avx512vnni(const gemv_args& args) {
  tl1_by_codes(args);
}

}  // namespace bp
