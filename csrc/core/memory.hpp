// Memory for weights and activations: aligned, on huge pages where that helps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace bp {

inline constexpr std::size_t cache_line = 64;
inline constexpr std::size_t huge_page = std::size_t{2} << 20;

struct buffer_deleter {
  std::size_t mapped = 0;  // bytes mapped; 0 where the memory came from aligned_alloc
  void operator()(std::uint8_t* data) const noexcept;
};
using buffer = std::unique_ptr<std::uint8_t, buffer_deleter>;

// At least `bytes` bytes, aligned to a cache line; from 1 MiB on aligned to 2 MiB and marked for
// huge pages (4 KiB pages cost about a fifth of the streaming bandwidth). Mapped memory is zero;
// smaller buffers are cleared too. Throws std::bad_alloc.
buffer allocate(std::size_t bytes);

// What allocate() has given out since the process began, whether or not it was given back.
struct allocation_count {
  std::int64_t calls, bytes;
};
allocation_count allocations() noexcept;

// Memory that is kept from one use to the next and grows where more is wanted; its contents are
// lost then. Drivers hold one per thread, so that a call allocates nothing once it has run.
class scratch {
 public:
  std::uint8_t* at_least(std::size_t bytes);

 private:
  buffer memory_;
  std::size_t bytes_ = 0;
};

}  // namespace bp
