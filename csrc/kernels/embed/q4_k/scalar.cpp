#include "kernels/embed/scalar.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_q4_k_scalar(const embed_args& args) {
  embed_rows<dense_q4_k>(args);
}

}  // namespace bp
