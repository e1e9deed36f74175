#include "kernels/ternarize/scalar.hpp"

namespace bp {

void ternarize_f32_scalar(const ternarize_args& args) {
  ternarize_rows<scalar_ops, float>(args);
}

}  // namespace bp
