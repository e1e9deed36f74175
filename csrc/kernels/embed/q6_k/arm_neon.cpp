#include "kernels/embed/arm_neon.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_q6_k_arm_neon(const embed_args& args) {
  embed_rows<dense_q6_k>(args);
}

}  // namespace bp
