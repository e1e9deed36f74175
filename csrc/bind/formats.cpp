#include "formats/layout.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/packed.hpp"
#include "formats/bytes.hpp"

namespace bp::bind {
namespace {

// (K padded, tile, bytes of codes, place of the scale or -1, bytes in all).
py::tuple layout_of(const std::string& format, std::int64_t N, std::int64_t K, const tile_t& t) {
  const layout w = make_layout(format, N, K, to_tiling(t));
  return py::make_tuple(w.K_padded, py::make_tuple(w.tile.BM, w.tile.BK, w.tile.bm), code_bytes(w),
                        scale_offset(w), packed_bytes(w));
}

void check_bytes(const layout& w, const std::uint8_t* data) {
  const std::int64_t at = first_invalid(w, data);
  if (at < 0) return;
  const std::string name = w.format->name;
  const std::string accepted = name == "tl1"   ? "pair indices 0 to 8"
                               : name == "tl2" ? "triple indices 0 to 13 and pair indices 0 to 8"
                                               : "2-bit codes 0, 1 and 2";
  fail(error_kind::format, "buffer: found byte " + std::to_string(data[at]) + " at offset " +
                               std::to_string(at) + ", " + name + " accepts " + accepted);
}

// The scales of all blocks, and whether they are one.
py::object block_scales(const layout& w, const std::uint8_t* data, bool* equal) {
  const std::int64_t blocks = w.K_padded / 256;
  auto scales = make_array<float>({w.N, blocks});
  float* s = scales.mutable_data();
  read_block_scales(w, data, s);
  const float* const end = s + w.N * blocks;
  const float* const bad =
      std::find_if(s, s + w.N * blocks, [](float each) { return !std::isfinite(each); });
  if (bad != end) {
    fail(error_kind::format, "buffer: found scale " + number_text(static_cast<double>(*bad)) +
                                 " in block " + std::to_string(bad - s) +
                                 ", accepted are finite scales");
  }
  *equal = std::all_of(s, s + w.N * blocks, [&](float each) { return each == s[0]; });
  return scales;
}

// Foreign bytes to (bytes of our own, scale or None, block scales or None), checked. Without the
// bytes after the codes where `scale` is given: they are then made.
py::tuple read(const py::handle& buffer, const std::string& format, std::int64_t N, std::int64_t K,
               const tile_t& t, const std::optional<double>& scale) {
  const layout w = make_layout(format, N, K, to_tiling(t));
  const auto from = input<std::uint8_t>(buffer, "buffer", 1);
  const bool trailing = w.format->trailer != 0;
  if (scale && !trailing) {
    fail(error_kind::format,
         "scale: found a number, " + format + " accepts None (its blocks hold the scales)");
  }
  const bool codes_only = scale && (from.size() == code_bytes(w) || from.size() == scale_offset(w));
  if (!codes_only && from.size() != packed_bytes(w)) {
    fail(error_kind::shape,
         "buffer: found " + std::to_string(from.size()) + " bytes, " + format + " " +
             shape_text({N, K}) + " accepts " + std::to_string(packed_bytes(w)) +
             (trailing ? ", or with scale= the " + std::to_string(code_bytes(w)) + " of codes"
                       : std::string()));
  }
  auto data = make_array<std::uint8_t>({packed_bytes(w)});
  std::uint8_t* bytes = data.mutable_data();
  const std::uint8_t* source = from.data();
  const auto size = static_cast<std::size_t>(from.size());
  {
    const py::gil_scoped_release unlocked;
    std::memcpy(bytes, source, size);
    check_bytes(w, bytes);
  }
  if (!trailing) {
    bool equal = false;
    const py::object scales = block_scales(w, bytes, &equal);
    if (!equal) return py::make_tuple(data, py::none(), scales);
    return py::make_tuple(data, scales[py::make_tuple(0, 0)], py::none());
  }
  if (codes_only) write_scale(w, bytes, stored_scale(*w.format, *scale));
  const float kept = read_scale(w, bytes);
  if (!std::isfinite(kept)) {
    fail(error_kind::format, "buffer: found scale " + number_text(static_cast<double>(kept)) +
                                 " at offset " + std::to_string(scale_offset(w)) +
                                 ", accepted is a finite one");
  }
  if (scale && static_cast<float>(*scale) != kept) {
    fail(error_kind::format, "scale: found " + number_text(*scale) + ", the bytes hold " +
                                 number_text(static_cast<double>(kept)) +
                                 "; accepted is None or the same");
  }
  return py::make_tuple(data, kept, py::none());
}

}  // namespace

void bind_formats(py::module_& m) {
  m.def("formats", [] {
    py::list rows;
    for (const format_info& f : formats())
      rows.append(py::make_tuple(f.name, f.ggml_type, f.bits_per_weight, f.group, f.native));
    return rows;
  });
  m.def("layout", &layout_of, py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("tile") = tile_t{0, 0, 0});
  m.def("read", &read, py::arg("buffer"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("tile") = tile_t{0, 0, 0}, py::arg("scale") = py::none());
}

}  // namespace bp::bind
