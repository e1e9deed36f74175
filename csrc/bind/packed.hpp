// Packed weights as Python hands them over: bytes, a shape and a tile (BM, BK, bm), zeros for none.
#pragma once

#include <pybind11/stl.h>

#include <array>
#include <string>

#include "bind/arrays.hpp"
#include "formats/layout.hpp"

namespace bp::bind {

using tile_t = std::array<std::int32_t, 3>;

inline tiling to_tiling(const tile_t& t) {
  return {t[0], t[1], t[2]};
}

// uint8 [packed_bytes(w)].
inline py::array_t<std::uint8_t> packed_input(const py::handle& data, const layout& w) {
  auto bytes = input<std::uint8_t>(data, "data", 1);
  if (bytes.size() != packed_bytes(w)) {
    fail(error_kind::shape, "data: found " + std::to_string(bytes.size()) + " bytes, " +
                                w.format->name + " " + shape_text({w.N, w.K}) + " accepts " +
                                std::to_string(packed_bytes(w)));
  }
  return bytes;
}

}  // namespace bp::bind
