#include "kernels/attention/eight.hpp"

#include "kernels/attention/attention.hpp"

namespace bp {

void attention_f32_arm_neon(const attention_args& args) {
  attention_eight<f32_cache>(args);
}

}  // namespace bp
