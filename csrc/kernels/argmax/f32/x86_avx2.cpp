#include "kernels/argmax/eight.hpp"

namespace bp {

void argmax_f32_x86_avx2(const argmax_args& args) {
  argmax_of(args);
}

}  // namespace bp
