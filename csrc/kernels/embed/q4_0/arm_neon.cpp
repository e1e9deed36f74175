#include "kernels/embed/arm_neon.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_q4_0_arm_neon(const embed_args& args) {
  embed_rows<dense_q4_0>(args);
}

}  // namespace bp
