#include <arm_neon.h>

#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {

// The inner step of an int8 product without the dot-product extension: smlal into six independent
// int16 sums. 6 * 8 multiply-adds.
void probe_mac_chain_arm_neon(const probe_mac_args& args) {
  const int8x8_t one = vdup_n_s8(1);
  int16x8_t s0 = vdupq_n_s16(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  for (std::int64_t i = 0; i < args.macs; i += 48) {
    asm volatile(
        "smlal %0.8h, %6.8b, %6.8b\n smlal %1.8h, %6.8b, %6.8b\n smlal %2.8h, %6.8b, %6.8b\n"
        "smlal %3.8h, %6.8b, %6.8b\n smlal %4.8h, %6.8b, %6.8b\n smlal %5.8h, %6.8b, %6.8b\n"
        : "+w"(s0), "+w"(s1), "+w"(s2), "+w"(s3), "+w"(s4), "+w"(s5)
        : "w"(one));
  }
  s0 = vaddq_s16(vaddq_s16(s0, s1), vaddq_s16(s2, s3));
  s0 = vaddq_s16(s0, vaddq_s16(s4, s5));
  *args.sum = static_cast<std::uint16_t>(vaddvq_s16(s0));
}

}  // namespace bp
