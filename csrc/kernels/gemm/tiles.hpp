// Tokens in tiles whose sums stay in registers. For ISA files: everything is in an anonymous
// namespace.
#pragma once

#include <cstdint>

namespace bp {
namespace {

// 0 .. T - 1 as constants: GCC 12 keeps arrays in memory that a loop walks over.
template <int... t>
struct numbers {};
template <int T, int... t>
struct numbers_below : numbers_below<T - 1, T - 1, t...> {};
template <int... t>
struct numbers_below<0, t...> {
  using type = numbers<t...>;
};

// Some tokens in as few tiles of at most `most` as can be, their sizes equal but for one token.
struct tile {
  std::int64_t m, tokens;
};
inline std::int64_t tiles_of(std::int64_t tokens, std::int64_t most) {
  return (tokens + most - 1) / most;
}
inline tile tile_at(std::int64_t tokens, std::int64_t most, std::int64_t index) {
  const std::int64_t count = tiles_of(tokens, most), begin = tokens * index / count;
  return {begin, tokens * (index + 1) / count - begin};
}

}  // namespace
}  // namespace bp
