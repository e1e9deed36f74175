#include "kernels/embed/scalar.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_f32_scalar(const embed_args& args) {
  embed_rows<dense_f32>(args);
}

}  // namespace bp
