#include "kernels/attention/attention.hpp"
#include "kernels/attention/tile.hpp"

namespace bp {

void attention_f16_x86_avx512(const attention_args& args) {
  attention_in_lanes<f16_cache>(args);
}

}  // namespace bp
