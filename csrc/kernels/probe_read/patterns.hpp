// The read patterns over one vector type, included by every ISA file with its own V: a register of
// 64-bit lanes (or one 64-bit word).
#pragma once

#include <cstdint>

#include "kernels/probe_read/probe_read.hpp"

namespace bp {
namespace {

constexpr int cached = 3, not_kept = 0;  // the locality argument of __builtin_prefetch

template <class V>
inline V load(const std::uint8_t* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// Folds eight registers of lanes into one word.
template <class V>
inline std::uint64_t fold(const V* sums) {
  constexpr int lanes = sizeof(V) / 8;
  std::uint64_t words[8 * lanes], word = 0;
  __builtin_memcpy(words, sums, sizeof words);
  for (int i = 0; i < 8 * lanes; ++i) word ^= words[i];
  return word;
}

// Reads 8 registers at `p` into `sums`, asking for the lines `ahead` bytes further on.
template <class V, int ahead, int locality>
inline void step(V* sums, const std::uint8_t* p) {
  constexpr int size = 8 * sizeof(V);
  if constexpr (ahead > 0)
    for (int line = 0; line < size; line += 64) __builtin_prefetch(p + ahead + line, 0, locality);
  for (int i = 0; i < 8; ++i) sums[i] ^= load<V>(p + i * static_cast<int>(sizeof(V)));
}

template <class V, int ahead, int locality = cached>
void read_one(const probe_read_args& args) {
  constexpr int size = 8 * sizeof(V);
  V sums[8] = {};
  for (std::int64_t i = 0; i < args.bytes; i += size) step<V, ahead, locality>(sums, args.data + i);
  *args.word = fold(sums);
}

template <class V, int ahead>
void read_two(const probe_read_args& args) {
  constexpr int size = 8 * sizeof(V);
  const std::int64_t half = args.bytes / 2;
  V sums[8] = {};
  for (std::int64_t i = 0; i < half; i += size) {
    step<V, ahead, cached>(sums, args.data + i);
    step<V, ahead, cached>(sums, args.data + half + i);
  }
  *args.word = fold(sums);
}

}  // namespace
}  // namespace bp
