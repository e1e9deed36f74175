#include "kernels/embed/scalar.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_q8_0_scalar(const embed_args& args) {
  embed_rows<dense_q8_0>(args);
}

}  // namespace bp
