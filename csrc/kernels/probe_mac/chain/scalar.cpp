#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {
namespace {

// Hides from the compiler what is in a register, without an instruction.
inline void opaque(std::int64_t& value) {
  asm volatile("" : "+r"(value));
}

}  // namespace

// One multiplication and one addition for each multiply-add, in four independent chains.
void probe_mac_chain_scalar(const probe_mac_args& args) {
  std::int64_t a = 1, b = 1, s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (std::int64_t i = 0; i < args.macs; i += 8) {
    opaque(a);
    s0 += a * b;
    opaque(a);
    s1 += a * b;
    opaque(a);
    s2 += a * b;
    opaque(a);
    s3 += a * b;
    opaque(b);
    s0 += a * b;
    opaque(b);
    s1 += a * b;
    opaque(b);
    s2 += a * b;
    opaque(b);
    s3 += a * b;
  }
  *args.sum = static_cast<std::uint16_t>(s0 + s1 + s2 + s3);
}

}  // namespace bp
