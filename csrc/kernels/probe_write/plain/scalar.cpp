#include "kernels/probe_write/probe_write.hpp"

namespace bp {

void probe_write_plain_scalar(const probe_write_args& args) {
  auto* to = reinterpret_cast<volatile std::uint64_t*>(args.data);  // no memset in its place
  for (std::int64_t i = 0; i < args.bytes / 8; ++i) to[i] = args.word;
}

}  // namespace bp
