#include "kernels/add/add.hpp"

namespace bp {

void add_f32_scalar(const add_args& args) {
  for (std::int64_t i = args.begin; i < args.end; ++i) args.x[i] += args.y[i];
}

}  // namespace bp
