#include "kernels/probe_read/patterns.hpp"

namespace bp {
namespace {

typedef std::uint64_t lanes __attribute__((vector_size(32)));

}  // namespace

void probe_read_ahead_1k_x86_avx2(const probe_read_args& args) {
  read_one<lanes, 1024>(args);
}

}  // namespace bp
