#include "engine/load.hpp"

#include <algorithm>

#include "bind/arrays.hpp"
#include "bind/packed.hpp"

namespace bp::bind {
namespace {

// uint8 [bytes], not initialized: on huge pages where it is large.
py::array_t<std::uint8_t> empty(std::int64_t bytes) {
  return make_array<std::uint8_t>({bytes});
}

void read_into(int file, std::int64_t offset, const py::handle& out, std::int64_t threads) {
  const py::array to = buffer_array(out, "out", py::dtype::of<std::uint8_t>(), 1, "a tensor");
  const int team = check_threads(threads);
  auto* data = static_cast<std::uint8_t*>(const_cast<void*>(to.data()));
  const py::gil_scoped_release unlocked;
  read_file(file, offset, to.size(), data, team);
}

// (scale or None, block scales float32 [N, ceil(K / 256)] or None) of weights that are read into
// `out` in the layout `native`.
py::tuple load(int file, std::int64_t offset, const std::string& format, std::int64_t N,
               std::int64_t K, const tile_t& t, const std::string& native, const py::handle& out,
               std::int64_t threads) {
  const layout from = make_layout(format, N, K, to_tiling(t)), to = make_layout(native, N, K);
  const py::array target =
      buffer_array(out, "out", py::dtype::of<std::uint8_t>(), packed_bytes(to), native);
  const int team = check_threads(threads);
  const bool blocks = from.format->trailer == 0;
  py::array_t<float> scales;
  if (blocks) scales = make_array<float>({N, from.K_padded / 256});
  float* block_scales = blocks ? scales.mutable_data() : nullptr;
  auto* data = static_cast<std::uint8_t*>(const_cast<void*>(target.data()));
  float scale;
  {
    const py::gil_scoped_release unlocked;
    scale = load_native(file, offset, from, to, data, block_scales, team);
  }
  if (!blocks) return py::make_tuple(scale, py::none());
  const float first = block_scales[0];
  const bool equal = std::all_of(block_scales, block_scales + scales.size(),
                                 [&](float each) { return each == first; });
  if (equal) return py::make_tuple(first, py::none());
  return py::make_tuple(py::none(), scales);
}

}  // namespace

void bind_load(py::module_& m) {
  m.def("empty", &empty, py::arg("nbytes"));
  m.def("read_into", &read_into, py::arg("file"), py::arg("offset"), py::arg("out"),
        py::arg("threads") = 1);
  m.def("load_native", &load, py::arg("file"), py::arg("offset"), py::arg("format"), py::arg("N"),
        py::arg("K"), py::arg("tile"), py::arg("native"), py::arg("out"), py::arg("threads") = 1);
}

}  // namespace bp::bind
