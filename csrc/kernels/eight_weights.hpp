// The weights of float formats, eight at a time. For ISA files.
#pragma once

#include "kernels/dense.hpp"
#include "kernels/eight.hpp"

namespace bp {
namespace {

template <class Format>
inline eight eight_weights(const std::uint8_t* p);

template <>
inline eight eight_weights<dense_f32>(const std::uint8_t* p) {
  return load_eight(p);
}

template <>
inline eight eight_weights<dense_f16>(const std::uint8_t* p) {
  return load_halves(p);
}

template <>
inline eight eight_weights<dense_bf16>(const std::uint8_t* p) {
  return load_brains(p);
}

}  // namespace
}  // namespace bp
