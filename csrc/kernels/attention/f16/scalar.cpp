#include "kernels/attention/scalar.hpp"

#include "kernels/attention/attention.hpp"

namespace bp {

void attention_f16_scalar(const attention_args& args) {
  attention_scalar<f16_cache>(args);
}

}  // namespace bp
