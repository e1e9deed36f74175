#include "kernels/probe_write/probe_write.hpp"

namespace bp {
namespace {

// A non-temporal store of one word, where the base instruction set has one.
inline void store(std::uint64_t* to, std::uint64_t word) {
#if defined(__x86_64__)
  asm volatile("movnti %1, %0" : "=m"(*to) : "r"(word));
#else
  *static_cast<volatile std::uint64_t*>(to) = word;
#endif
}

}  // namespace

void probe_write_stream_scalar(const probe_write_args& args) {
  auto* to = reinterpret_cast<std::uint64_t*>(args.data);
  for (std::int64_t i = 0; i < args.bytes / 8; ++i) store(to + i, args.word);
#if defined(__x86_64__)
  asm volatile("sfence" ::: "memory");
#endif
}

}  // namespace bp
