#include "kernels/embed/arm_neon.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_bf16_arm_neon(const embed_args& args) {
  embed_rows<dense_bf16>(args);
}

}  // namespace bp
