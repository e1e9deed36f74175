#include "kernels/embed/arm_neon.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_f32_arm_neon(const embed_args& args) {
  embed_rows<dense_f32>(args);
}

}  // namespace bp
