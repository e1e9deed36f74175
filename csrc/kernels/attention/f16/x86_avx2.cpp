#include "kernels/attention/x86_avx2.hpp"

#include "kernels/attention/attention.hpp"

namespace bp {

void attention_f16_x86_avx2(const attention_args& args) {
  attention_avx2<f16_cache>(args);
}

}  // namespace bp
