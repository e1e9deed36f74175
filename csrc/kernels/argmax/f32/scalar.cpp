#include "kernels/argmax/argmax.hpp"

namespace bp {

void argmax_f32_scalar(const argmax_args& args) {
  *args.found = {args.begin, -1};
  for (std::int64_t i = args.begin; i < args.end; ++i) {
    if (!__builtin_isfinite(args.x[i])) {
      args.found->bad = i;
      return;
    }
    if (args.x[i] > args.x[args.found->largest]) args.found->largest = i;
  }
}

}  // namespace bp
