#include "bind/arrays.hpp"
#include "core/registry.hpp"
#include "formats/layout.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp::bind {
namespace {

constexpr const char* accepted_kinds = "float32, float16 or bfloat16";

float_kind kind_of(const py::array& x) {
  const py::dtype dtype = x.dtype();
  if (dtype.kind() == 'f' && dtype.itemsize() == 4) return float_kind::float32;
  if (dtype.kind() == 'f' && dtype.itemsize() == 2) return float_kind::float16;
  if (dtype.itemsize() == 2 && std::string(py::str(dtype.attr("name"))) == "bfloat16")
    return float_kind::bfloat16;
  fail(error_kind::shape,
       "x: found " + describe(x) + ", accepted is an array of " + accepted_kinds);
}

// C order and native bytes; the array itself where it has them.
py::array plain(const py::array& x) {
  constexpr int order = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  const char byte_order = x.dtype().byteorder();
  if ((x.flags() & order) == order && (byte_order == '=' || byte_order == '|')) return x;
  const py::object native = x.dtype().attr("newbyteorder")("=");
  return py::module_::import("numpy").attr("require")(x, native, py::make_tuple("C", "A"));
}

std::string place(const py::array& x, std::int64_t at) {
  if (x.ndim() == 1) return "x[" + std::to_string(at) + "]";
  return "x[" + std::to_string(at / x.shape(1)) + ", " + std::to_string(at % x.shape(1)) + "]";
}

// (values int8, scale float32, sum int32) of x, [K] or [M, K]; scale and sum are [M], or [M,
// blocks] where the format has a scale in each block.
py::tuple quantize_activations(const py::handle& value, const std::string& isa,
                               std::int64_t threads, const std::string& format) {
  const py::array given = as_array(value, "x");
  const float_kind kind = kind_of(given);
  check_array(given, "x", given.dtype(), 1, 2);
  const int team = check_threads(threads);
  const kernel_row& kernel = select("quantize_activations", format, isa);
  const py::array x = plain(given);
  quantize_activations_args args{};
  args.x = x.data();
  args.kind = kind;
  args.M = x.ndim() == 1 ? 1 : x.shape(0);
  args.K = x.shape(x.ndim() - 1);
  if (args.K > largest_columns) {
    fail(error_kind::shape, "x: found " + describe(x) + ", accepted is K <= " +
                                std::to_string(largest_columns) + " values a row");
  }
  const std::int64_t block = activation_block(format);
  if (block != 0 && args.K % block != 0) {
    fail(error_kind::shape, "x: found " + describe(x) + ", " + format +
                                " accepts K in multiples of " + std::to_string(block));
  }
  auto values = make_array<std::int8_t>({x.shape(), x.shape() + x.ndim()});
  std::vector<std::int64_t> scales{args.M};
  if (block != 0) scales.push_back(args.K / block);
  auto scale = make_array<float>(scales);
  auto sum = make_array<std::int32_t>(scales);
  args.values = values.mutable_data();
  args.scale = scale.mutable_data();
  args.sum = sum.mutable_data();
  std::int64_t bad;
  {
    const py::gil_scoped_release unlocked;
    bad = run_quantize_activations(kernel, args, team);
  }
  if (bad >= 0) {
    fail(error_kind::format, place(x, bad) + ": found NaN or infinity, accepted is finite values");
  }
  return py::make_tuple(values, scale, sum);
}

}  // namespace

void bind_activations(py::module_& m) {
  m.def("quantize_activations", &quantize_activations, py::arg("x"), py::arg("isa") = "",
        py::arg("threads") = 1, py::arg("format") = "q8_act");
}

}  // namespace bp::bind
