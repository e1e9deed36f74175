#include "kernels/ternarize/scalar.hpp"

namespace bp {

void ternarize_f16_scalar(const ternarize_args& args) {
  ternarize_rows<scalar_ops, std::uint16_t>(args);
}

}  // namespace bp
