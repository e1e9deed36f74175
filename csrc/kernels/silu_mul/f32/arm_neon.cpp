#include "kernels/eight.hpp"

#include "kernels/silu_mul/silu_mul.hpp"

namespace bp {
namespace {

inline eight gated(eight gate, eight up) {
  return gate / (all_eight(1.0f) + exp_lanes(all_eight(0.0f) - gate)) * up;
}

}  // namespace

// The last, fewer than eight, are copied to a vector of their own and calculated as all others.
void silu_mul_f32_arm_neon(const silu_mul_args& args) {
  std::int64_t i = args.begin;
  for (; i + 8 <= args.end; i += 8)
    store_eight(args.out + i, gated(load_eight(args.gate + i), load_eight(args.up + i)));
  const auto bytes = static_cast<std::size_t>(args.end - i) * sizeof(float);
  float gate[8] = {}, up[8] = {};
  __builtin_memcpy(gate, args.gate + i, bytes);
  __builtin_memcpy(up, args.up + i, bytes);
  store_eight(gate, gated(load_eight(gate), load_eight(up)));
  __builtin_memcpy(args.out + i, gate, bytes);
}

}  // namespace bp
