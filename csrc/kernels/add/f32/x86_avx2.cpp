#include "kernels/x86_elementwise.hpp"

#include "kernels/add/add.hpp"

namespace bp {

void add_f32_x86_avx2(const add_args& args) {
  elementwise(args.x, args.x, args.y, args.begin, args.end, [](lanes x, lanes y) { return x + y; });
}

}  // namespace bp
