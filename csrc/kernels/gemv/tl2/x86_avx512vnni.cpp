#include "kernels/gemv/gemv.hpp"
#include "kernels/gemv/x86_avx512_tl2.hpp"

namespace bp {

void gemv_tl2_x86_avx512vnni(const gemv_args& args) {
  tl2_by_codes(args);
}

}  // namespace bp
