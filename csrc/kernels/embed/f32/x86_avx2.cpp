#include "kernels/embed/x86_avx2.hpp"
#include "kernels/embed/embed.hpp"

namespace bp {

void embed_f32_x86_avx2(const embed_args& args) {
  embed_rows<dense_f32>(args);
}

}  // namespace bp
