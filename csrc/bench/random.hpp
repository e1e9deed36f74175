// The generator of all benchmark inputs: the same numbers on every host (splitmix64).
#pragma once

#include <cstdint>

namespace bp {

class random_source {
 public:
  explicit random_source(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::int8_t byte() { return static_cast<std::int8_t>(next() >> 56); }

  // -1, 0 or 1, each a third of the time.
  std::int8_t ternary() {
    return static_cast<std::int8_t>(static_cast<std::int64_t>((next() >> 32) * 3 >> 32) - 1);
  }

  // In [-1, 1).
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-23f - 1.0f; }

 private:
  std::uint64_t state_;
};

}  // namespace bp
