#include "kernels/ternarize/x86_avx2.hpp"

namespace bp {

void ternarize_f32_x86_avx2(const ternarize_args& args) {
  ternarize_rows<avx2_ops, float>(args);
}

}  // namespace bp
