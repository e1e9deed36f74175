#include "kernels/attention/attention.hpp"
#include "kernels/attention/tile.hpp"

namespace bp {

void attention_f32_arm_neon(const attention_args& args) {
  attention_in_lanes<f32_cache>(args);
}

}  // namespace bp
