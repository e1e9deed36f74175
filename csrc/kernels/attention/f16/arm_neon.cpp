#include "kernels/attention/eight.hpp"

#include "kernels/attention/attention.hpp"

namespace bp {

void attention_f16_arm_neon(const attention_args& args) {
  attention_eight<f16_cache>(args);
}

}  // namespace bp
