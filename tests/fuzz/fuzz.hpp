// What the fuzz drivers share. A driver defines check(source&), which compares every variant of its
// families that runs here with the scalar one and calls `differ` where they do not agree. Built by
// Clang it is a libFuzzer program; by another compiler it draws inputs itself:
//   DRIVER [-runs=N] [-seed=N] [-max_total_time=SECONDS]
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/registry.hpp"

namespace bp::fuzz {

// The bytes of one input, handed out in order; zeros when they run out.
struct source {
  const std::uint8_t* data;
  std::size_t left;

  std::uint8_t byte() {
    if (left == 0) return 0;
    --left;
    return *data++;
  }
  std::int64_t range(std::int64_t low, std::int64_t high) {  // both included
    const std::int64_t word = byte() | byte() << 8;
    return low + word % (high - low + 1);
  }
};

// Exactly `count` values on the heap, so that one byte read beyond them is seen by a sanitizer.
template <class T>
std::unique_ptr<T[]> exact(std::int64_t count) {
  return std::make_unique<T[]>(static_cast<std::size_t>(count));
}

// Bulk data: drawn from a seed in the input, with runs of extreme values, so that a short input
// reaches large shapes.
template <class T, class Draw>
std::unique_ptr<T[]> fill(source& in, std::int64_t count, Draw draw) {
  auto values = exact<T>(count);
  std::minstd_rand random(in.byte() | in.byte() << 8);
  const int extreme = in.byte() % 4;  // 0: none; else one value in 1, 2, 3 is an extreme one
  for (std::int64_t i = 0; i < count; ++i) {
    const auto word = static_cast<std::uint32_t>(random());
    values[static_cast<std::size_t>(i)] = draw(word, extreme > 0 && word % 97 % extreme == 0);
  }
  return values;
}

// How often each row of kernels() was run.
inline std::vector<std::int64_t> times_run(kernels().size());

// The variants of one family and format that run here; the caller runs all of them.
inline std::vector<const kernel_row*> runnable(std::string_view family, std::string_view format) {
  std::vector<const kernel_row*> rows;
  for (const kernel_row& row : kernels()) {
    if (row.family != family || row.format != format || !why_not(row).empty()) continue;
    rows.push_back(&row);
    ++times_run[static_cast<std::size_t>(row_index(row))];
  }
  return rows;
}

[[noreturn]] inline void differ(const kernel_row& row, const std::string& where) {
  std::fprintf(stderr, "%s differs from scalar: %s\n", row.name().c_str(), where.c_str());
  std::abort();
}

template <class T>
void same(const kernel_row& row, const T* found, const T* wanted, std::int64_t count,
          const std::string& where) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (std::memcmp(found + i, wanted + i, sizeof(T)) != 0)
      differ(row, where + ", value " + std::to_string(i));
  }
}

void check(source& in);

}  // namespace bp::fuzz

#ifdef BP_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bp::fuzz::source in{data, size};
  bp::fuzz::check(in);
  return 0;
}
#else
int main(int argc, char** argv) {
  std::int64_t runs = -1, seed = 1, seconds = -1;
  for (int i = 1; i < argc; ++i) {
    for (auto [name, value] :
         {std::pair{"-runs=", &runs}, {"-seed=", &seed}, {"-max_total_time=", &seconds}})
      if (std::string_view(argv[i]).starts_with(name))
        *value = std::atoll(argv[i] + std::strlen(name));
  }
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  const auto start = std::chrono::steady_clock::now();
  std::int64_t done = 0;
  for (; runs < 0 || done < runs; ++done) {
    if (seconds >= 0 && std::chrono::steady_clock::now() - start > std::chrono::seconds(seconds))
      break;
    std::uint8_t bytes[64];
    for (auto& b : bytes) b = static_cast<std::uint8_t>(random());
    bp::fuzz::source in{bytes, sizeof bytes};
    bp::fuzz::check(in);
  }
  for (const bp::kernel_row& row : bp::kernels()) {
    const auto times = bp::fuzz::times_run[static_cast<std::size_t>(bp::row_index(row))];
    if (times > 0)
      std::printf("%s: %lld times\n", row.name().c_str(), static_cast<long long>(times));
  }
  std::printf("%lld inputs, seed %lld, all equal\n", static_cast<long long>(done),
              static_cast<long long>(seed));
}
#endif
