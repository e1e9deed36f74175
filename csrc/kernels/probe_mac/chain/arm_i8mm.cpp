#include <arm_neon.h>

#include "kernels/probe_mac/probe_mac.hpp"

namespace bp {

// smmla into twelve independent int32 sums: four a cycle, each three cycles long, need twelve.
// 12 * 32 multiply-adds.
void probe_mac_chain_arm_i8mm(const probe_mac_args& args) {
  const int8x16_t one = vdupq_n_s8(1);
  int32x4_t s0 = vdupq_n_s32(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;
  int32x4_t s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;
  for (std::int64_t i = 0; i < args.macs; i += 384) {
    asm volatile(
        "smmla %0.4s, %12.16b, %12.16b\n smmla %1.4s, %12.16b, %12.16b\n"
        "smmla %2.4s, %12.16b, %12.16b\n smmla %3.4s, %12.16b, %12.16b\n"
        "smmla %4.4s, %12.16b, %12.16b\n smmla %5.4s, %12.16b, %12.16b\n"
        "smmla %6.4s, %12.16b, %12.16b\n smmla %7.4s, %12.16b, %12.16b\n"
        "smmla %8.4s, %12.16b, %12.16b\n smmla %9.4s, %12.16b, %12.16b\n"
        "smmla %10.4s, %12.16b, %12.16b\n smmla %11.4s, %12.16b, %12.16b\n"
        : "+w"(s0), "+w"(s1), "+w"(s2), "+w"(s3), "+w"(s4), "+w"(s5), "+w"(s6), "+w"(s7), "+w"(s8),
          "+w"(s9), "+w"(s10), "+w"(s11)
        : "w"(one));
  }
  s0 = vaddq_s32(vaddq_s32(s0, s1), vaddq_s32(s2, s3));
  s4 = vaddq_s32(vaddq_s32(s4, s5), vaddq_s32(s6, s7));
  s8 = vaddq_s32(vaddq_s32(s8, s9), vaddq_s32(s10, s11));
  *args.sum = static_cast<std::uint16_t>(vaddvq_s32(vaddq_s32(s0, vaddq_s32(s4, s8))));
}

}  // namespace bp
