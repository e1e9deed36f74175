#include "kernels/gemm/gemm.hpp"

#include "bind/product.hpp"
#include "core/registry.hpp"

namespace bp::bind {
namespace {

py::array_t<std::int32_t> gemm(const py::handle& data, const std::string& format, std::int64_t N,
                               std::int64_t K, const py::handle& q, const std::string& isa,
                               std::int64_t threads, std::int32_t BM, std::int32_t BK,
                               std::int32_t bm) {
  const kernel_row& kernel = select("gemm", format, isa);
  const int team = check_threads(threads);
  const packed_weights w(data, format, N, K, {BM, BK, bm});
  const auto x = input<std::int8_t>(q, "x", 2);
  product_args args = w.with(x);
  auto y = make_array<std::int32_t>({args.M, N});
  args.y = y.mutable_data();
  const py::gil_scoped_release unlocked;
  run_gemm(kernel, args, team);
  return y;
}

bool overlap(const py::array& a, const py::array& b) {
  const auto* p = static_cast<const char*>(a.data());
  const auto* q = static_cast<const char*>(b.data());
  return p < q + b.nbytes() && q < p + a.nbytes();
}

py::array_t<float> result(const py::object& out, const std::vector<std::int64_t>& shape,
                          const py::array& q, const py::array& data) {
  if (out.is_none()) return make_array<float>(shape);
  const py::array found = output_array(out, "out", py::dtype::of<float>(), shape);
  if (overlap(found, q) || overlap(found, data)) {
    fail(error_kind::shape,
         "out: found memory that overlaps x or w, accepted is memory of its own");
  }
  return py::reinterpret_borrow<py::array_t<float>>(found);
}

// Sets the scale of the weights: a number, or None for the scales of the blocks, which tq1_0 and
// tq2_0 hold and which stand in `block_scales` for a layout made from them.
void set_scales(product_args& args, const layout& shape, const py::object& weight_scale,
                const py::object& block_scales, py::array_t<float>& kept) {
  args.block_scales = weight_scale.is_none();
  args.weight_scale = args.block_scales ? 1.0f : weight_scale.cast<float>();
  if (!args.block_scales) return;
  if (shape.format->native && !block_scales.is_none()) {
    kept = input<float>(block_scales, "w.block_scales", 2);
    const std::int64_t blocks = (shape.K + 255) / 256;
    if (kept.shape(0) != shape.N || kept.shape(1) != blocks) {
      fail(error_kind::shape, "w.block_scales: found " + describe(kept) + ", accepted is float32" +
                                  shape_text({shape.N, blocks}));
    }
    args.beside = kept.data();
  } else if (shape.format->native || shape.format->trailer != 0) {
    fail(error_kind::format, std::string("w.scale: found None, accepted is a number, as ") +
                                 shape.format->name + " has no scales in its blocks");
  }
}

// float32 results. One activation row runs the gemv kernel, more rows the gemm kernel.
py::array_t<float> matmul(const py::handle& data, const std::string& format, std::int64_t N,
                          std::int64_t K, const py::handle& q, const py::handle& act_scale,
                          const py::object& weight_scale, const py::object& block_scales,
                          const py::object& out, const std::string& isa, std::int64_t threads,
                          std::int32_t BM, std::int32_t BK, std::int32_t bm) {
  const auto x = input<std::int8_t>(q, "x", 1, 2);
  const bool one = x.ndim() == 1 || x.shape(0) == 1;
  const kernel_row& kernel = select(one ? "gemv" : "gemm", format, isa);
  const int team = check_threads(threads);
  const packed_weights w(data, format, N, K, {BM, BK, bm});
  product_args args = w.with(x);
  const auto s = input<float>(act_scale, "x.scale", 1);
  if (s.size() != args.M) {
    fail(error_kind::shape, "x.scale: found " + describe(s) + ", accepted is float32[" +
                                std::to_string(args.M) + "], one a row of x");
  }
  args.act_scale = s.data();
  py::array_t<float> kept;
  set_scales(args, w.shape, weight_scale, block_scales, kept);
  const auto y = result(out, x.ndim() == 1 ? std::vector{N} : std::vector{args.M, N}, x, w.data);
  args.out = const_cast<float*>(y.data());
  const py::gil_scoped_release unlocked;
  one ? run_gemv(kernel, args, team) : run_gemm(kernel, args, team);
  return y;
}

}  // namespace

void bind_gemm(py::module_& m) {
  m.def("gemm", &gemm, py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"), py::arg("q"),
        py::arg("isa") = "", py::arg("threads") = 1, py::arg("BM") = 0, py::arg("BK") = 0,
        py::arg("bm") = 0);
  m.def("matmul", &matmul, py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("q"), py::arg("act_scale"), py::arg("weight_scale"),
        py::arg("block_scales") = py::none(), py::arg("out") = py::none(), py::arg("isa") = "",
        py::arg("threads") = 1, py::arg("BM") = 0, py::arg("BK") = 0, py::arg("bm") = 0);
}

}  // namespace bp::bind
