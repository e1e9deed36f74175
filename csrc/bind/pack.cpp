#include "kernels/pack/pack.hpp"

#include "bind/arrays.hpp"
#include "bind/packed.hpp"
#include "core/registry.hpp"
#include "formats/bytes.hpp"
#include "formats/half.hpp"
#include "kernels/pack/quantize.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp::bind {
namespace {

// int8 [N, K] of -1, 0, 1 to (bytes, scale as the format keeps it).
py::tuple pack(const py::handle& ternary, const std::string& format, double scale, const tile_t& t,
               const std::string& isa, std::int64_t threads) {
  const auto codes = input<std::int8_t>(ternary, "ternary", 2);
  const layout w = make_layout(format, codes.shape(0), codes.shape(1), to_tiling(t));
  const kernel_row& kernel = select("pack", format, isa);
  const float kept = stored_scale(*w.format, scale);
  const int team = check_threads(threads);
  auto data = make_array<std::uint8_t>({packed_bytes(w)});
  std::uint8_t* bytes = data.mutable_data();
  const std::int8_t* from = codes.data();
  {
    const py::gil_scoped_release unlocked;
    run_pack(kernel, w, from, bytes, float_to_half(kept), team);
    if (scale_offset(w) >= 0) write_scale(w, bytes, kept);
  }
  return py::make_tuple(data, kept);
}

py::array_t<std::int8_t> unpack(const py::handle& data, const std::string& format, std::int64_t N,
                                std::int64_t K, const tile_t& t, const std::string& isa,
                                std::int64_t threads) {
  const layout w = make_layout(format, N, K, to_tiling(t));
  const auto bytes = packed_input(data, w);
  const kernel_row& kernel = select("unpack", format, isa);
  const int team = check_threads(threads);
  auto codes = make_array<std::int8_t>({N, K});
  const std::uint8_t* from = bytes.data();
  std::int8_t* to = codes.mutable_data();
  const py::gil_scoped_release unlocked;
  run_unpack(kernel, w, from, to, team);
  return codes;
}

scale_rule find_rule(const std::string& rule) {
  if (rule == "absmean") return scale_rule::absmean;
  if (rule == "absmax_sign") return scale_rule::absmax_sign;
  if (rule == "given") return scale_rule::given;
  fail(error_kind::format,
       "rule: found '" + rule + "', accepted are absmean, absmax_sign and given");
}

// float32 or float16 [N, K] to (bytes, scale as the format keeps it).
py::tuple quantize(const py::handle& weights, const std::string& format, const std::string& rule,
                   const std::optional<double>& scale, const tile_t& t, const std::string& isa,
                   std::int64_t threads) {
  const scale_rule which = find_rule(rule);
  if ((which == scale_rule::given) != scale.has_value()) {
    fail(error_kind::format, which == scale_rule::given
                                 ? "scale: found None, rule 'given' accepts a number > 0"
                                 : "scale: found a number, rule '" + rule + "' accepts None");
  }
  const float given = static_cast<float>(scale.value_or(1.0));
  if (!(given > 0 && std::isfinite(given))) {
    fail(error_kind::format,
         "scale: found " + number_text(*scale) + ", rule 'given' accepts a finite float32 > 0");
  }
  py::array x = as_array(weights, "weights");
  const bool half = x.dtype().kind() == 'f' && x.dtype().itemsize() == 2;
  check_array(x, "weights", half ? py::dtype("e") : py::dtype::of<float>(), 2, 2);
  const auto order = py::array::c_style | py::array::forcecast;
  x = half ? py::array(py::module_::import("numpy").attr("require")(x, "<f2", "CA"))
           : py::array(py::array_t<float, order>::ensure(x));
  const layout w = make_layout(format, x.shape(0), x.shape(1), to_tiling(t));
  const quantize_kernels kernels{select("ternarize", half ? "f16" : "f32", isa),
                                 select("pack", format, isa)};
  const int team = check_threads(threads);
  auto data = make_array<std::uint8_t>({packed_bytes(w)});
  std::uint8_t* bytes = data.mutable_data();
  const float_matrix matrix{x.data(), half};
  float kept;
  {
    const py::gil_scoped_release unlocked;
    kept = quantize_weights(kernels, w, matrix, which, given, bytes, team);
  }
  return py::make_tuple(data, kept);
}

py::array_t<float> dequantize(const py::handle& data, const std::string& format, std::int64_t N,
                              std::int64_t K, const tile_t& t, double scale,
                              const py::object& block_scales, const std::string& isa,
                              std::int64_t threads) {
  const layout w = make_layout(format, N, K, to_tiling(t));
  const auto bytes = packed_input(data, w);
  const kernel_row& kernel = select("unpack", format, isa);
  const int team = check_threads(threads);
  py::array_t<float> blocks;
  if (!block_scales.is_none()) {
    blocks = input<float>(block_scales, "block_scales", 2);
    if (blocks.shape(0) != N || blocks.shape(1) != (K + 255) / 256) {
      fail(error_kind::shape, "block_scales: found " + describe(blocks) + ", accepted is float32" +
                                  shape_text({N, (K + 255) / 256}));
    }
  }
  const float* scales = block_scales.is_none() ? nullptr : blocks.data();
  auto y = make_array<float>({N, K});
  const std::uint8_t* from = bytes.data();
  float* to = y.mutable_data();
  const py::gil_scoped_release unlocked;
  dequantize_weights(kernel, w, from, static_cast<float>(scale), scales, to, team);
  return y;
}

// The same weights in a native layout.
py::array_t<std::uint8_t> prepare(const py::handle& data, const std::string& format, std::int64_t N,
                                  std::int64_t K, const tile_t& t, const std::string& native,
                                  std::int64_t threads) {
  const layout from = make_layout(format, N, K, to_tiling(t)), to = make_layout(native, N, K);
  const auto bytes = packed_input(data, from);
  const kernel_row& out = select("unpack", format, "");
  const kernel_row& in = select("pack", native, "");
  const int team = check_threads(threads);
  auto made = make_array<std::uint8_t>({packed_bytes(to)});
  const std::uint8_t* source = bytes.data();
  std::uint8_t* target = made.mutable_data();
  const py::gil_scoped_release unlocked;
  repack(out, from, source, in, to, target, team);
  return made;
}

}  // namespace

void bind_pack(py::module_& m) {
  const tile_t none{0, 0, 0};
  m.def("pack", &pack, py::arg("ternary"), py::arg("format"), py::arg("scale") = 1.0,
        py::arg("tile") = none, py::arg("isa") = "", py::arg("threads") = 1);
  m.def("unpack", &unpack, py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("tile") = none, py::arg("isa") = "", py::arg("threads") = 1);
  m.def("quantize", &quantize, py::arg("weights"), py::arg("format"), py::arg("rule") = "absmean",
        py::arg("scale") = py::none(), py::arg("tile") = none, py::arg("isa") = "",
        py::arg("threads") = 1);
  m.def("dequantize", &dequantize, py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("tile") = none, py::arg("scale") = 1.0, py::arg("block_scales") = py::none(),
        py::arg("isa") = "", py::arg("threads") = 1);
  m.def("prepare", &prepare, py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("tile"), py::arg("native"), py::arg("threads") = 1);
}

}  // namespace bp::bind
