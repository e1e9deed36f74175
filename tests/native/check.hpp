// What the checks of the native runner share: random data, buffers that end where they say, and one
// place where results are compared and counted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/guarded.hpp"
#include "core/registry.hpp"

namespace bp::test {

// `bytes` bytes, cleared, past which nothing may be read or written: the address sanitizer sees it,
// and without one the page behind them faults, of one half of them that in front. With it, of one
// half bytes stand at an odd address, because no kernel may count on alignment.
class fenced {
 public:
  fenced(std::size_t bytes, std::size_t align);
  std::uint8_t* data() const;

 private:
#if defined(__SANITIZE_ADDRESS__)
  std::size_t shift_;
  std::unique_ptr<std::uint8_t[]> bytes_;
#else
  std::unique_ptr<guarded> bytes_;
#endif
};

// `count` values in such memory.
template <class T>
class exact {
 public:
  explicit exact(std::int64_t count)
      : size_(count), memory_(static_cast<std::size_t>(count) * sizeof(T), sizeof(T)) {}
  explicit exact(const std::vector<T>& from) : exact(static_cast<std::int64_t>(from.size())) {
    std::copy(from.begin(), from.end(), data());
  }
  exact(const exact& from) : exact(from.size_) {
    std::memcpy(data(), from.data(), static_cast<std::size_t>(size_) * sizeof(T));
  }
  exact(exact&&) = default;
  exact& operator=(exact&&) = default;
  T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  std::int64_t size() const { return size_; }

 private:
  std::int64_t size_;
  fenced memory_;
};

using engine = std::mt19937_64;

template <class T>
std::vector<T> integers(engine& random, std::int64_t count, int low, int high) {
  std::uniform_int_distribution<int> any(low, high);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(any(random));
  return values;
}

// Compares bytes, counts, and prints what differs. `row` is the kernel under test.
void expect_same(const kernel_row& row, const std::string& what, void* found, const void* wanted,
                 std::size_t bytes);

template <class T>
void expect_same(const kernel_row& row, const std::string& what, exact<T>& found,
                 exact<T>& wanted) {
  expect_same(row, what, found.data(), wanted.data(),
              static_cast<std::size_t>(wanted.size()) * sizeof(T));
}

inline constexpr int team_sizes[] = {1, 3};

// One function a family: checks one variant.
void check_product(const kernel_row& row);
void check_pack(const kernel_row& row);
void check_unpack(const kernel_row& row);
void check_ternarize(const kernel_row& row);
void check_quantize_activations(const kernel_row& row);
void check_dense(const kernel_row& row);
void check_embed(const kernel_row& row);
void check_rms_norm(const kernel_row& row);
void check_rope(const kernel_row& row);
void check_attention(const kernel_row& row);
void check_relu2_mul(const kernel_row& row);
void check_silu_mul(const kernel_row& row);
void check_add(const kernel_row& row);
void check_argmax(const kernel_row& row);
void check_softmax(const kernel_row& row);
void check_block_quantize(const kernel_row& row);
void check_block_dequantize(const kernel_row& row);
void check_block_matmul(const kernel_row& row);

}  // namespace bp::test
