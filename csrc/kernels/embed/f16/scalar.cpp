#include "kernels/embed/scalar.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_f16_scalar(const embed_args& args) {
  embed_rows<dense_f16>(args);
}

}  // namespace bp
