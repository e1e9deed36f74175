#include "kernels/probe_read/patterns.hpp"

namespace bp {
namespace {

typedef std::uint64_t lanes;

}  // namespace

void probe_read_two_streams_scalar(const probe_read_args& args) {
  read_two<lanes, 2048>(args);
}

}  // namespace bp
