#include "core/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace bp {
namespace {

constexpr std::size_t huge_threshold = std::size_t{1} << 20;
constexpr std::size_t kept_threshold = std::size_t{1} << 17;
constexpr std::size_t largest = std::size_t{1} << 46;

std::atomic<std::int64_t> calls{0}, bytes_given{0};

std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

// A mapping aligned to 2 MiB: map one huge page more and give back both ends.
std::uint8_t* map_huge(std::size_t bytes) {
  void* raw =
      mmap(nullptr, bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto begin = reinterpret_cast<std::uintptr_t>(raw);
  const std::uintptr_t aligned = round_up(begin, huge_page);
  if (aligned > begin) munmap(raw, aligned - begin);
  const std::uintptr_t end = begin + bytes + huge_page;
  if (end > aligned + bytes)
    munmap(reinterpret_cast<void*>(aligned + bytes), end - aligned - bytes);
  auto* data = reinterpret_cast<std::uint8_t*>(aligned);
  madvise(data, bytes, MADV_HUGEPAGE);  // a wish: without it the memory works the same, slower
  return data;
}

}  // namespace

void buffer_deleter::operator()(std::uint8_t* data) const noexcept {
  if (data == nullptr) return;
  if (mapped != 0) {
    munmap(data, mapped);
  } else {
    std::free(data);
  }
}

buffer allocate(std::size_t bytes) {
  if (bytes > largest) throw std::bad_alloc();
  calls.fetch_add(1, std::memory_order_relaxed);
  bytes_given.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  if (bytes >= huge_threshold) {
    const std::size_t mapped = round_up(bytes, huge_page);
    return buffer(map_huge(mapped), buffer_deleter{mapped});
  }
  const std::size_t size = round_up(bytes == 0 ? 1 : bytes, cache_line);
  auto* data = static_cast<std::uint8_t*>(std::aligned_alloc(cache_line, size));
  if (data == nullptr) throw std::bad_alloc();
  std::memset(data, 0, size);
  return buffer(data, buffer_deleter{0});
}

allocation_count allocations() noexcept {
  return {calls.load(std::memory_order_relaxed), bytes_given.load(std::memory_order_relaxed)};
}

std::uint8_t* scratch::at_least(std::size_t bytes) {
  if (bytes_ < bytes) {
    memory_.reset();
    bytes_ = 0;
    // It is kept: a huge page is worth its memory much earlier.
    const std::size_t size = bytes < kept_threshold ? bytes : std::max(bytes, huge_threshold);
    memory_ = allocate(size);
    bytes_ = size;
  }
  return memory_.get();
}

}  // namespace bp
