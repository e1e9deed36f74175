#include "kernels/probe_read/patterns.hpp"

namespace bp {
namespace {

typedef std::uint64_t lanes __attribute__((vector_size(16)));

}  // namespace

void probe_read_ahead_1k_arm_neon(const probe_read_args& args) {
  read_one<lanes, 1024>(args);
}

}  // namespace bp
