#include "kernels/softmax/four.hpp"

namespace bp {

void softmax_f32_x86_avx2(const softmax_args& args) {
  softmax_of(args);
}

}  // namespace bp
