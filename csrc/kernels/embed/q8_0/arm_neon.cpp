#include "kernels/embed/arm_neon.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_q8_0_arm_neon(const embed_args& args) {
  embed_rows<dense_q8_0>(args);
}

}  // namespace bp
