#include "engine/engine.hpp"

#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bind/arrays.hpp"
#include "bind/packed.hpp"
#include "engine/shapes.hpp"
#include "formats/dense.hpp"

namespace bp::bind {
namespace {

template <class T>
T field(const py::dict& from, const char* name) {
  return from[name].cast<T>();
}

template <class Enum>
Enum one_of(const py::dict& from, const char* name,
            std::initializer_list<std::pair<const char*, Enum>> choices) {
  const auto found = field<std::string>(from, name);
  std::string accepted;
  for (const auto& [text, value] : choices) {
    if (found == text) return value;
    accepted += (accepted.empty() ? "" : " or ") + std::string(text);
  }
  fail(error_kind::config, std::string(name) + ": found '" + found + "', accepted is " + accepted);
}

model_config config_of(const py::dict& d) {
  model_config c{};
  c.layers = field<std::int64_t>(d, "layers");
  c.width = field<std::int64_t>(d, "width");
  c.ffn = field<std::int64_t>(d, "ffn");
  c.heads = field<std::int64_t>(d, "heads");
  c.kv_heads = field<std::int64_t>(d, "kv_heads");
  c.head_dim = field<std::int64_t>(d, "head_dim");
  c.vocab = field<std::int64_t>(d, "vocab");
  c.context = field<std::int64_t>(d, "context");
  c.eps = field<float>(d, "eps");
  c.rope_dim = field<std::int64_t>(d, "rope_dim");
  c.rope_frequency = field<std::vector<double>>(d, "rope_frequency");
  c.rope_interleaved = field<bool>(d, "rope_interleaved");
  c.act = one_of<activation>(d, "activation",
                             {{"relu2", activation::relu2}, {"silu", activation::silu}});
  c.quant =
      one_of<act_quant>(d, "act_quant", {{"q8_act", act_quant::q8_act}, {"q8_k", act_quant::q8_k}});
  c.kv = one_of<kv_type>(d, "kv", {{"f16", kv_type::f16}, {"f32", kv_type::f32}});
  c.bitnet_cpp = field<bool>(d, "bitnet_cpp");
  c.half_head_input = field<bool>(d, "half_head_input");
  return c;
}

// The engine and the Python objects whose memory it reads.
class engine_handle {
 public:
  engine_handle(const py::dict& config, const std::string& isa, std::int64_t threads,
                std::int64_t decode_threads)
      : engine_(config_of(config), isa, {check_threads(decode_threads), check_threads(threads)}) {}

  void set_norm(std::int64_t layer, const std::string& name, const py::handle& value) {
    const auto x = input<float>(value, name.c_str(), 1);
    check_shape(name, {shape_of(engine_.config(), name).N}, {x.shape(0)});
    kept_.push_back(x);
    if (name == "output_norm") {
      engine_.weights().output_norm = x.data();
      return;
    }
    for (const norm_name& each : layer_norms)
      if (each.name == name) at(layer).*each.member = x.data();
  }

  void set_ternary(std::int64_t layer, const std::string& name, const py::handle& data,
                   const std::string& format, std::int64_t N, std::int64_t K, const tile_t& t,
                   const py::object& scale, const py::object& block_scales) {
    const matrix_shape want = shape_of(engine_.config(), name);
    check_shape(name, {want.N, want.K}, {N, K});
    ternary_matrix w;
    w.shape = make_layout(format, N, K, to_tiling(t));
    const auto bytes = packed_input(data, w.shape);
    w.data = bytes.data();
    w.bytes = bytes.size();
    w.gemv = &select_variant("gemv", format);
    w.gemm = &select_variant("gemm", format);
    w.block_scales = scale.is_none();
    if (!w.block_scales) w.scale = scale.cast<float>();
    if (!block_scales.is_none()) {
      const auto beside = input<float>(block_scales, name.c_str(), 2);
      check_shape(name + ".block_scales", {N, (K + 255) / 256}, {beside.shape(0), beside.shape(1)});
      w.beside = beside.data();
      kept_.push_back(beside);
    }
    if (engine_.config().quant == act_quant::q8_k) use_block_sums(w);
    kept_.push_back(bytes);
    for (const matrix_name& each : layer_matrices)
      if (each.name == name) at(layer).*each.member = w;
  }

  void set_dense(const std::string& name, const py::handle& data, const std::string& format,
                 std::int64_t N, std::int64_t K) {
    const matrix_shape want = shape_of(engine_.config(), name);
    check_shape(name, {want.N, want.K}, {N, K});
    const auto bytes = input<std::uint8_t>(data, name.c_str(), 1);
    check_shape(name, {dense_bytes(find_dense(format), N, K)}, {bytes.size()});
    dense_matrix w;
    w.data = bytes.data();
    w.bytes = bytes.size();
    w.N = N;
    w.K = K;
    w.half = format == "f16";
    w.embed = &select_variant("embed", format);
    w.gemv = &select_variant("gemv_dense", format);
    w.gemm = &select_variant("gemm_dense", format);
    kept_.push_back(bytes);
    (name == "output" ? engine_.weights().output : engine_.weights().token_embd) = w;
  }

  py::array_t<float> forward(const py::handle& ids, const py::handle& sequences,
                             const py::handle& wanted, const py::object& out) {
    const auto tokens = input<std::int32_t>(ids, "tokens", 1);
    const auto owners = input<std::int32_t>(sequences, "sequences", 1);
    check_shape("sequences", {tokens.size()}, {owners.size()});
    const auto rows = input<std::int64_t>(wanted, "rows", 1);
    batch_.clear();
    for (py::ssize_t i = 0; i < tokens.size(); ++i) batch_.push_back({tokens.at(i), owners.at(i)});
    for (py::ssize_t i = 0; i < rows.size(); ++i) {
      if (rows.at(i) < (i == 0 ? 0 : rows.at(i - 1) + 1) || rows.at(i) >= tokens.size())
        fail(error_kind::shape, "rows: found " + std::to_string(rows.at(i)) +
                                    ", accepted are indices of tokens, ascending");
    }
    const std::vector<std::int64_t> shape = {rows.size(), engine_.config().vocab};
    auto logits = out.is_none() ? make_array<float>(shape)
                                : py::reinterpret_borrow<py::array_t<float>>(
                                      output_array(out, "out", py::dtype::of<float>(), shape));
    float* to = logits.mutable_data();
    const std::span wanted_rows(rows.data(), static_cast<std::size_t>(rows.size()));
    const py::gil_scoped_release unlocked;
    engine_.forward(batch_, wanted_rows, to);
    return logits;
  }

  engine& core() { return engine_; }

 private:
  static void check_shape(const std::string& name, const std::vector<std::int64_t>& want,
                          const std::vector<std::int64_t>& found) {
    if (want != found)
      fail(error_kind::model,
           name + ": found shape " + shape_text(found) + ", accepted is " + shape_text(want));
  }
  // Activations with a scale a block need sums a block, which formats of whole rows cannot give.
  static void use_block_sums(ternary_matrix& w) {
    if (w.shape.format->native) return;
    if (w.shape.format->trailer != 0)
      fail(error_kind::config, std::string("act_quant: found 'q8_k', ") + w.shape.format->name +
                                   " accepts it only in the native layout");
    w.block_scales = true;
    w.scale = 1;
  }
  const kernel_row& select_variant(const char* family, const std::string& format) const {
    return variant(family, format, engine_.isa());
  }
  layer_weights& at(std::int64_t layer) {
    return engine_.weights().layers.at(static_cast<std::size_t>(layer));
  }

  engine engine_;
  std::vector<batch_token> batch_;
  std::vector<py::object> kept_;
};

}  // namespace

void bind_engine(py::module_& m) {
  m.def("model_shapes", [] {
    py::list rows;
    for (const model_shape& s : model_shapes)
      rows.append(py::make_tuple(s.name, s.layers, s.width, s.ffn, s.heads, s.kv_heads, s.vocab,
                                 s.context, s.rope_base, s.like));
    return rows;
  });
  // A plain class: pybind11's own metaclass is nothing that a stub can name.
  const py::metaclass plain(reinterpret_cast<PyObject*>(&PyType_Type));
  py::class_<engine_handle>(m, "Engine", plain)
      .def(py::init<const py::dict&, const std::string&, std::int64_t, std::int64_t>(),
           py::arg("config"), py::arg("isa") = "", py::arg("threads") = 1,
           py::arg("decode_threads") = 1)
      .def("set_norm", &engine_handle::set_norm, py::arg("layer"), py::arg("name"),
           py::arg("values"))
      .def("set_ternary", &engine_handle::set_ternary, py::arg("layer"), py::arg("name"),
           py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"), py::arg("tile"),
           py::arg("scale"), py::arg("block_scales") = py::none())
      .def("set_dense", &engine_handle::set_dense, py::arg("name"), py::arg("data"),
           py::arg("format"), py::arg("N"), py::arg("K"))
      .def("add_sequence", [](engine_handle& self) { return self.core().add_sequence(); })
      .def(
          "drop_sequence",
          [](engine_handle& self, std::int32_t s) { self.core().drop_sequence(s); },
          py::arg("sequence"))
      .def(
          "length",
          [](engine_handle& self, std::int32_t s) { return self.core().cache(s).length(); },
          py::arg("sequence"))
      .def(
          "cache_bytes",
          [](engine_handle& self, std::int32_t s) { return self.core().cache(s).bytes(); },
          py::arg("sequence"))
      .def(
          "reserve",
          [](engine_handle& self, std::int32_t s, std::int64_t positions) {
            self.core().cache(s).reserve(positions);
          },
          py::arg("sequence"), py::arg("positions"))
      .def("forward", &engine_handle::forward, py::arg("tokens"), py::arg("sequences"),
           py::arg("rows"), py::arg("out") = py::none())
      .def("isa", [](engine_handle& self) { return self.core().isa(); })
      .def("threads", [](engine_handle& self) { return self.core().threads().one; })
      .def("kernels", [](engine_handle& self) {
        std::vector<std::string> names;
        for (const kernel_row* row : self.core().kernels()) names.push_back(row->name());
        return names;
      });
}

}  // namespace bp::bind
