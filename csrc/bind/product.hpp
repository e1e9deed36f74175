// What the bindings of gemv and gemm share: weights, activations and results, validated.
#pragma once

#include <string>

#include "bind/arrays.hpp"
#include "formats/layout.hpp"
#include "kernels/gemv/gemv.hpp"

namespace bp::bind {

// Packed weights as Python hands them over. `data` keeps the bytes alive.
struct packed_weights {
  packed_weights(const py::handle& bytes, const std::string& format, std::int64_t N, std::int64_t K,
                 tiling tile);

  // Arguments for the product of q, int8[K] or int8[M, K], with these weights; results unset.
  product_args with(const py::array_t<std::int8_t>& q) const;

  py::array_t<std::uint8_t> data;
  layout shape;
};

}  // namespace bp::bind
