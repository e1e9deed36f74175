#include "kernels/probe_read/patterns.hpp"

namespace bp {
namespace {

typedef std::uint64_t lanes;

}  // namespace

void probe_read_ahead_1k_scalar(const probe_read_args& args) {
  read_one<lanes, 1024>(args);
}

}  // namespace bp
