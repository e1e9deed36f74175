#include "kernels/arm_neon_float.hpp"

#include "kernels/add/add.hpp"

namespace bp {

void add_f32_arm_neon(const add_args& args) {
  std::int64_t i = args.begin;
  for (; i + 8 <= args.end; i += 8)
    store_eight(args.x + i, load_eight(args.x + i) + load_eight(args.y + i));
  for (; i < args.end; ++i) args.x[i] += args.y[i];
}

}  // namespace bp
