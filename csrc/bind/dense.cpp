// Heads and embeddings: gemv_dense, gemm_dense, embed.
#include "formats/dense.hpp"

#include <algorithm>

#include "bind/arrays.hpp"
#include "core/registry.hpp"
#include "formats/dense_pack.hpp"
#include "kernels/embed/embed.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp::bind {
namespace {

py::array_t<std::uint8_t> weights(const py::handle& data, const dense_format& format,
                                  std::int64_t N, std::int64_t K) {
  const std::int64_t bytes = dense_bytes(format, N, K);
  const auto w = input<std::uint8_t>(data, "w", 1);
  if (w.size() != bytes) {
    fail(error_kind::format, "w: found " + std::to_string(w.size()) + " bytes, accepted is " +
                                 std::to_string(bytes) + " for " + format.name + " of " +
                                 shape_text({N, K}));
  }
  return w;
}

// float32[N] of x, [K], or float32[M, N] of x, [M, K].
py::array_t<float> product(const char* family, const py::handle& data, const std::string& format,
                           std::int64_t N, std::int64_t K, const py::handle& value,
                           const std::string& isa, std::int64_t threads) {
  const kernel_row& kernel = select(family, format, isa);
  const int team = check_threads(threads);
  const auto w = weights(data, find_dense(format), N, K);
  const bool one = std::string_view(family) == "gemv_dense";
  const auto x = input<float>(value, "x", one ? 1 : 2);
  if (x.shape(x.ndim() - 1) != K) {
    fail(error_kind::shape, "x: found " + describe(x) + ", accepted is K = " + std::to_string(K) +
                                " values a row, as w has");
  }
  dense_args args{};
  args.w = w.data();
  args.w_bytes = w.size();
  args.x = x.data();
  args.M = one ? 1 : x.shape(0);
  args.N = N;
  args.K = K;
  auto out = make_array<float>(one ? std::vector{N} : std::vector{args.M, N});
  args.out = out.mutable_data();
  const py::gil_scoped_release unlocked;
  run_dense(kernel, args, team);
  return out;
}

py::array_t<float> gemv_dense(const py::handle& data, const std::string& format, std::int64_t N,
                              std::int64_t K, const py::handle& x, const std::string& isa,
                              std::int64_t threads) {
  return product("gemv_dense", data, format, N, K, x, isa, threads);
}

py::array_t<float> gemm_dense(const py::handle& data, const std::string& format, std::int64_t N,
                              std::int64_t K, const py::handle& x, const std::string& isa,
                              std::int64_t threads) {
  return product("gemm_dense", data, format, N, K, x, isa, threads);
}

// float32[M, K]: the rows `tokens`, int32[M].
py::array_t<float> embed(const py::handle& data, const std::string& format, std::int64_t N,
                         std::int64_t K, const py::handle& value, const std::string& isa,
                         std::int64_t threads) {
  const kernel_row& kernel = select("embed", format, isa);
  const int team = check_threads(threads);
  const auto w = weights(data, find_dense(format), N, K);
  const auto tokens = input<std::int32_t>(value, "tokens", 1);
  const std::int32_t* const end = tokens.data() + tokens.size();
  const auto* bad =
      std::find_if(tokens.data(), end, [&](std::int32_t each) { return each < 0 || each >= N; });
  if (bad != end) {
    fail(error_kind::shape, "tokens[" + std::to_string(bad - tokens.data()) + "]: found " +
                                std::to_string(*bad) + ", accepted is 0 to " +
                                std::to_string(N - 1));
  }
  embed_args args{};
  args.w = w.data();
  args.N = N;
  args.K = K;
  args.tokens = tokens.data();
  args.M = tokens.size();
  auto out = make_array<float>({args.M, K});
  args.out = out.mutable_data();
  const py::gil_scoped_release unlocked;
  run_embed(kernel, args, team);
  return out;
}

// uint8[bytes] of float32[N, K].
py::array_t<std::uint8_t> pack(const py::handle& value, const std::string& format,
                               std::int64_t threads) {
  const dense_format& info = find_dense(format);
  const int team = check_threads(threads);
  const auto w = input<float>(value, "weights", 2);
  const std::int64_t N = w.shape(0), K = w.shape(1);
  auto out = make_array<std::uint8_t>({dense_bytes(info, N, K)});
  std::uint8_t* to = out.mutable_data();
  std::int64_t bad;
  {
    const py::gil_scoped_release unlocked;
    bad = pack_dense(info, w.data(), N, K, to, team);
  }
  if (bad >= 0) {
    const std::string what = info.block == 1 ? "found a number that is"
                                             : "found a block of " + std::to_string(info.block) +
                                                   " weights with one that is";
    fail(error_kind::format, "weights[" + std::to_string(bad / K) + ", " + std::to_string(bad % K) +
                                 "]: " + what + " NaN, infinite or too large for " + format +
                                 ", accepted are finite weights within its range");
  }
  return out;
}

}  // namespace

void bind_dense(py::module_& m) {
  m.def("dense_formats", [] {
    py::list rows;
    for (const dense_format& f : dense_formats())
      rows.append(py::make_tuple(f.name, f.ggml_type, f.block, f.block_bytes));
    return rows;
  });
  m.def(
      "dense_bytes",
      [](const std::string& format, std::int64_t N, std::int64_t K) {
        return dense_bytes(find_dense(format), N, K);
      },
      py::arg("format"), py::arg("N"), py::arg("K"));
  m.def("pack_dense", &pack, py::arg("weights"), py::arg("format"), py::arg("threads") = 1);
  m.def("gemv_dense", &gemv_dense, py::arg("w"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("x"), py::arg("isa") = "", py::arg("threads") = 1);
  m.def("gemm_dense", &gemm_dense, py::arg("w"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("x"), py::arg("isa") = "", py::arg("threads") = 1);
  m.def("embed", &embed, py::arg("w"), py::arg("format"), py::arg("N"), py::arg("K"),
        py::arg("tokens"), py::arg("isa") = "", py::arg("threads") = 1);
}

}  // namespace bp::bind
