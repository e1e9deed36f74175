#include "kernels/gemv/gemv.hpp"

#include "bind/product.hpp"
#include "core/registry.hpp"

namespace bp::bind {

packed_weights::packed_weights(const py::handle& bytes, const std::string& format, std::int64_t N,
                               std::int64_t K, tiling tile)
    : data(input<std::uint8_t>(bytes, "w.data", 1)), shape(make_layout(format, N, K, tile)) {
  if (data.size() != packed_bytes(shape)) {
    fail(error_kind::format, "w.data: found " + std::to_string(data.size()) +
                                 " bytes, accepted is " + std::to_string(packed_bytes(shape)) +
                                 " for " + format + " of " + shape_text({N, K}));
  }
}

product_args packed_weights::with(const py::array_t<std::int8_t>& q) const {
  if (q.shape(q.ndim() - 1) != shape.K) {
    fail(error_kind::shape, "x: found " + describe(q) + ", accepted is K = " +
                                std::to_string(shape.K) + " values a row, as w has");
  }
  product_args args{};
  args.w = data.data();
  args.w_bytes = data.size();
  args.q = q.data();
  args.M = q.ndim() == 1 ? 1 : q.shape(0);
  args.N = shape.N;
  args.K = shape.K_padded;
  args.K_true = shape.K;
  args.tile = shape.tile;
  return args;
}

namespace {

py::array_t<std::int32_t> gemv(const py::handle& data, const std::string& format, std::int64_t N,
                               std::int64_t K, const py::handle& q, const std::string& isa,
                               std::int64_t threads, std::int32_t BM, std::int32_t BK,
                               std::int32_t bm) {
  const kernel_row& kernel = select("gemv", format, isa);
  const int team = check_threads(threads);
  const packed_weights w(data, format, N, K, {BM, BK, bm});
  const auto x = input<std::int8_t>(q, "x", 1);
  product_args args = w.with(x);
  auto y = make_array<std::int32_t>({N});
  args.y = y.mutable_data();
  const py::gil_scoped_release unlocked;
  run_gemv(kernel, args, team);
  return y;
}

}  // namespace

void bind_gemv(py::module_& m) {
  m.def("gemv", &gemv, py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"), py::arg("q"),
        py::arg("isa") = "", py::arg("threads") = 1, py::arg("BM") = 0, py::arg("BK") = 0,
        py::arg("bm") = 0);
}

}  // namespace bp::bind
