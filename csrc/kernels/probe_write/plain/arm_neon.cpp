#include <arm_neon.h>

#include "kernels/probe_write/probe_write.hpp"

namespace bp {

void probe_write_plain_arm_neon(const probe_write_args& args) {
  const uint64x2_t word = vdupq_n_u64(args.word);
  for (std::int64_t i = 0; i < args.bytes; i += 64) {
    auto* to = reinterpret_cast<std::uint64_t*>(args.data + i);
    for (int j = 0; j < 4; ++j) vst1q_u64(to + 2 * j, word);
  }
}

}  // namespace bp
