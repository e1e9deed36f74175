#include "kernels/probe_read/patterns.hpp"

namespace bp {
namespace {

typedef std::uint64_t lanes;

}  // namespace

void probe_read_nta_scalar(const probe_read_args& args) {
  read_one<lanes, 2048, not_kept>(args);
}

}  // namespace bp
