#include "kernels/attention/scalar.hpp"

#include "kernels/attention/attention.hpp"

namespace bp {

void attention_f32_scalar(const attention_args& args) {
  attention_scalar<f32_cache>(args);
}

}  // namespace bp
