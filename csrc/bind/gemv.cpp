#include "kernels/gemv/gemv.hpp"

#include <numeric>

#include "bind/arrays.hpp"

namespace bp::bind {
namespace {

// Exact int32 sums of one activation row with packed weights whose K is padded to `K`.
py::array_t<std::int32_t> gemv(const py::handle& data, const std::string& format, std::int64_t N,
                               std::int64_t K, const py::handle& q, const std::string& isa,
                               std::int64_t threads) {
  const auto w = input<std::uint8_t>(data, "data", 1);
  const auto x = input<std::int8_t>(q, "q", 1);
  if (x.size() != K)
    fail(error_kind::shape,
         "q: found " + describe(x) + ", accepted is int8[" + std::to_string(K) + "]");
  const kernel_row& kernel = select("gemv", format, isa);
  auto y = make_array<std::int32_t>({N});
  gemv_args args{};
  args.w = w.data();
  args.q = x.data();
  args.y = y.mutable_data();
  args.N = N;
  args.K = K;
  args.q_sum = std::accumulate(args.q, args.q + K, std::int32_t{0});
  const int team = check_threads(threads);
  const py::gil_scoped_release unlocked;
  run_gemv(kernel, args, team);
  return y;
}

}  // namespace

void bind_gemv(py::module_& m) {
  m.def("gemv", &gemv, py::arg("data"), py::arg("format"), py::arg("N"), py::arg("K"), py::arg("q"),
        py::arg("isa") = "", py::arg("threads") = 1);
}

}  // namespace bp::bind
