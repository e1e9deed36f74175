// The float families: rms_norm, rope, attention, relu2_mul, silu_mul and add of a layer, argmax and
// softmax of logits.
#include <algorithm>
#include <cmath>

#include "bind/arrays.hpp"
#include "core/registry.hpp"
#include "kernels/add/add.hpp"
#include "kernels/argmax/argmax.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/relu2_mul/relu2_mul.hpp"
#include "kernels/rms_norm/rms_norm.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/silu_mul/silu_mul.hpp"
#include "kernels/softmax/softmax.hpp"

namespace bp::bind {
namespace {

using floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

std::vector<std::int64_t> shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

void check_shape(const py::array& array, const char* name, const std::vector<std::int64_t>& want) {
  if (shape_of(array) != want) {
    fail(error_kind::shape,
         std::string(name) + ": found " + describe(array) + ", accepted is " + shape_text(want));
  }
}

// `out`, or a new array of the shape of x where it is None. It may be one of the inputs itself.
py::array result_of(const py::handle& out, const floats& x, const floats& other, const char* x_name,
                    const char* other_name) {
  const auto shape = shape_of(x);
  if (out.is_none()) return make_array<float>(shape);
  py::array array = output_array(out, "out", py::dtype::of<float>(), shape);
  if (array.data() != x.data()) check_apart(array, "out", x, x_name);
  if (array.data() != other.data()) check_apart(array, "out", other, other_name);
  return array;
}

py::array rms_norm(const py::handle& value, const py::handle& weights, float eps,
                   const std::string& isa, std::int64_t threads, const py::handle& out) {
  const kernel_row& kernel = select("rms_norm", "f32", isa);
  const int team = check_threads(threads);
  const floats x = input<float>(value, "x", 1, 2), weight = input<float>(weights, "weight", 1);
  rms_norm_args args{};
  args.M = x.ndim() == 1 ? 1 : x.shape(0);
  args.K = x.shape(x.ndim() - 1);
  check_shape(weight, "weight", {args.K});
  if (!(eps >= 0x1p-126f && eps < HUGE_VALF)) {
    fail(error_kind::shape,
         "eps: found " + std::to_string(eps) + ", accepted is a finite number >= 2^-126");
  }
  py::array to = result_of(out, x, x, "x", "x");
  check_apart(to, "out", weight, "weight");
  args.x = x.data();
  args.weight = weight.data();
  args.out = static_cast<float*>(to.mutable_data());
  args.eps = eps;
  const py::gil_scoped_release unlocked;
  run_rms_norm(kernel, args, team);
  return to;
}

// A copy of x, [M, row_stride], whose first `heads` heads of each row are turned.
py::array rope(const py::handle& value, const py::handle& cosines, const py::handle& sines,
               std::int64_t heads, std::int64_t head_dim, bool interleaved, const std::string& isa,
               std::int64_t threads) {
  const kernel_row& kernel = select("rope", "f32", isa);
  const int team = check_threads(threads);
  const floats x = input<float>(value, "x", 2), cos = input<float>(cosines, "cos", 2),
               sin = input<float>(sines, "sin", 2);
  const std::int64_t M = x.shape(0), stride = x.shape(1), half = cos.shape(1);
  if (heads < 1 || head_dim < 1 || heads > stride / head_dim) {
    fail(error_kind::shape, "heads, head_dim: found " + shape_text({heads, head_dim}) +
                                ", accepted is a product in 1 to " + std::to_string(stride) +
                                ", the columns of x");
  }
  if (half > head_dim / 2) {
    fail(error_kind::shape, "cos: found " + describe(cos) + ", accepted is at most " +
                                std::to_string(head_dim / 2) + " columns, half of head_dim");
  }
  check_shape(cos, "cos", {M, half});
  check_shape(sin, "sin", {M, half});
  auto to = make_array<float>({M, stride});
  std::copy_n(x.data(), x.size(), to.mutable_data());
  rope_args args{};
  args.x = to.mutable_data();
  args.M = M;
  args.heads = heads;
  args.head_dim = head_dim;
  args.row_stride = stride;
  args.cos = cos.data();
  args.sin = sin.data();
  args.rope_dim = 2 * half;
  args.interleaved = interleaved;
  const py::gil_scoped_release unlocked;
  run_rope(kernel, args, team);
  return to;
}

template <class Args>
py::array gated(const char* family, void (*run)(const kernel_row&, const Args&, int),
                const py::handle& gates, const py::handle& ups, const std::string& isa,
                std::int64_t threads, const py::handle& out) {
  const kernel_row& kernel = select(family, "f32", isa);
  const int team = check_threads(threads);
  const floats gate = input<float>(gates, "gate", 1, 2), up = input<float>(ups, "up", 1, 2);
  check_shape(up, "up", shape_of(gate));
  py::array to = result_of(out, gate, up, "gate", "up");
  Args args{};
  args.gate = gate.data();
  args.up = up.data();
  args.out = static_cast<float*>(to.mutable_data());
  args.count = gate.size();
  const py::gil_scoped_release unlocked;
  run(kernel, args, team);
  return to;
}

py::array relu2_mul(const py::handle& gate, const py::handle& up, const std::string& isa,
                    std::int64_t threads, const py::handle& out) {
  return gated("relu2_mul", &run_relu2_mul, gate, up, isa, threads, out);
}

py::array silu_mul(const py::handle& gate, const py::handle& up, const std::string& isa,
                   std::int64_t threads, const py::handle& out) {
  return gated("silu_mul", &run_silu_mul, gate, up, isa, threads, out);
}

// A new array x + y.
py::array add(const py::handle& left, const py::handle& right, const std::string& isa,
              std::int64_t threads) {
  const kernel_row& kernel = select("add", "f32", isa);
  const int team = check_threads(threads);
  const floats x = input<float>(left, "x", 1, 2), y = input<float>(right, "y", 1, 2);
  check_shape(y, "y", shape_of(x));
  auto to = make_array<float>(shape_of(x));
  std::copy_n(x.data(), x.size(), to.mutable_data());
  add_args args{};
  args.x = to.mutable_data();
  args.y = y.data();
  args.count = x.size();
  const py::gil_scoped_release unlocked;
  run_add(kernel, args, team);
  return to;
}

// Keys or values as they are: C order, native bytes; float16 as its bits.
py::array cache_array(const py::handle& value, const char* name) {
  const py::array array = as_array(value, name);
  const py::dtype dtype = array.dtype();
  if (dtype.kind() == 'f' && dtype.itemsize() == 2) {
    check_array(array, name, dtype, 4, 4);
    const py::object native = array.attr("astype")("=f2", py::arg("copy") = false);
    return input<std::uint16_t>(native.attr("view")("uint16"), name, 4);
  }
  return input<float>(array, name, 4);
}

void check_cache(const attention_args& args, const py::array& keys, const py::array& values,
                 const py::array_t<std::int64_t>& length) {
  if (!keys.dtype().equal(values.dtype()) || shape_of(keys) != shape_of(values)) {
    fail(error_kind::shape,
         "values: found " + describe(values) + ", accepted is " + describe(keys) + ", as keys");
  }
  if (keys.shape(0) != 1 && keys.shape(0) != args.M) {
    fail(error_kind::shape, "keys: found " + describe(keys) +
                                ", accepted as first dimension is 1 "
                                "or that of q, " +
                                std::to_string(args.M));
  }
  if (args.heads % args.kv_heads != 0 || args.head_dim % 8 != 0 || keys.shape(3) != args.head_dim) {
    fail(error_kind::shape,
         "keys: found " + describe(keys) + " for q " +
             shape_text({args.M, args.heads, args.head_dim}) +
             ", accepted is [1 or M, a divisor of the heads of q, positions, head_dim] with "
             "head_dim a multiple of 8");
  }
  check_shape(length, "length", {args.M});
  for (std::int64_t m = 0; m < args.M; ++m) {
    if (const std::int64_t n = length.at(m); n < 1 || n > keys.shape(2)) {
      fail(error_kind::shape, "length[" + std::to_string(m) + "]: found " + std::to_string(n) +
                                  ", accepted is 1 to " + std::to_string(keys.shape(2)) +
                                  ", the positions of keys");
    }
  }
}

// Where the keys or values of each of M tokens begin.
std::vector<const void*> places(const py::array& cache, std::int64_t M) {
  std::vector<const void*> at;
  const std::int64_t step = cache.shape(0) == 1 ? 0 : cache.nbytes() / cache.shape(0);
  for (std::int64_t m = 0; m < M; ++m)
    at.push_back(static_cast<const std::uint8_t*>(cache.data()) + m * step);
  return at;
}

py::array attention(const py::handle& queries, const py::handle& key_cache,
                    const py::handle& value_cache, const py::handle& lengths, float scale,
                    bool round_q, bool round_p, const std::string& isa, std::int64_t threads) {
  const floats q = input<float>(queries, "q", 3);
  const py::array keys = cache_array(key_cache, "keys"),
                  values = cache_array(value_cache, "values");
  const auto length = input<std::int64_t>(lengths, "length", 1);
  const kernel_row& kernel = select("attention", keys.dtype().itemsize() == 2 ? "f16" : "f32", isa);
  const int team = check_threads(threads);
  attention_args args{};
  args.q = q.data();
  args.M = q.shape(0);
  args.heads = q.shape(1);
  args.head_dim = q.shape(2);
  args.kv_heads = keys.shape(1);
  check_cache(args, keys, values, length);
  const std::vector<std::int64_t> strides(static_cast<std::size_t>(args.M),
                                          keys.shape(2) * args.head_dim);
  args.head_stride = strides.data();
  const auto key_places = places(keys, args.M), value_places = places(values, args.M);
  args.keys = key_places.data();
  args.values = value_places.data();
  args.length = length.data();
  args.longest = *std::max_element(length.data(), length.data() + args.M);
  args.scale = scale;
  args.round_q = round_q;
  args.round_p = round_p;
  auto out = make_array<float>({args.M, args.heads, args.head_dim});
  args.out = out.mutable_data();
  const py::gil_scoped_release unlocked;
  run_attention(kernel, args, team);
  return out;
}

// (index of the largest, index of the first value that is no number or -1)
py::tuple argmax(const py::handle& values, const std::string& isa, std::int64_t threads) {
  const kernel_row& kernel = select("argmax", "f32", isa);
  const int team = check_threads(threads);
  const floats x = input<float>(values, "x", 1);
  argmax_args args{};
  args.x = x.data();
  args.count = x.size();
  argmax_result found{};
  {
    const py::gil_scoped_release unlocked;
    found = run_argmax(kernel, args, team);
  }
  return py::make_tuple(found.largest, found.bad);
}

void check_finite(double value, const char* name, bool positive) {
  if (!std::isfinite(value) || (positive && value <= 0)) {
    fail(error_kind::shape, std::string(name) + ": found " + std::to_string(value) +
                                ", accepted is a finite number" + (positive ? " above 0" : ""));
  }
}

// (numerators, their sums by block, the smallest of each block)
py::tuple softmax(const py::handle& values, double largest, double temperature,
                  const std::string& isa, std::int64_t threads) {
  const kernel_row& kernel = select("softmax", "f32", isa);
  const int team = check_threads(threads);
  const floats x = input<float>(values, "x", 1);
  check_finite(largest, "largest", false);
  check_finite(temperature, "temperature", true);
  softmax_args args{};
  args.x = x.data();
  args.count = x.size();
  args.largest = largest;
  args.temperature = temperature;
  const std::int64_t blocks = softmax_blocks(args);
  auto out = make_array<double>({args.count}), sums = make_array<double>({blocks}),
       smallest = make_array<double>({blocks});
  std::vector<softmax_sums> found(static_cast<std::size_t>(blocks));
  args.out = out.mutable_data();
  args.blocks = found.data();
  {
    const py::gil_scoped_release unlocked;
    run_softmax(kernel, args, team);
  }
  for (std::int64_t b = 0; b < blocks; ++b) {
    sums.mutable_at(b) = found[static_cast<std::size_t>(b)].sum;
    smallest.mutable_at(b) = found[static_cast<std::size_t>(b)].smallest;
  }
  return py::make_tuple(out, sums, smallest);
}

}  // namespace

void bind_floats(py::module_& m) {
  m.def("rms_norm", &rms_norm, py::arg("x"), py::arg("weight"), py::arg("eps"), py::arg("isa") = "",
        py::arg("threads") = 1, py::arg("out") = py::none());
  m.def("rope", &rope, py::arg("x"), py::arg("cos"), py::arg("sin"), py::arg("heads"),
        py::arg("head_dim"), py::arg("interleaved") = false, py::arg("isa") = "",
        py::arg("threads") = 1);
  m.def("relu2_mul", &relu2_mul, py::arg("gate"), py::arg("up"), py::arg("isa") = "",
        py::arg("threads") = 1, py::arg("out") = py::none());
  m.def("silu_mul", &silu_mul, py::arg("gate"), py::arg("up"), py::arg("isa") = "",
        py::arg("threads") = 1, py::arg("out") = py::none());
  m.def("add", &add, py::arg("x"), py::arg("y"), py::arg("isa") = "", py::arg("threads") = 1);
  m.def("attention", &attention, py::arg("q"), py::arg("keys"), py::arg("values"),
        py::arg("length"), py::arg("scale"), py::arg("round_q") = false, py::arg("round_p") = false,
        py::arg("isa") = "", py::arg("threads") = 1);
  m.def("argmax", &argmax, py::arg("x"), py::arg("isa") = "", py::arg("threads") = 1);
  m.def("softmax", &softmax, py::arg("x"), py::arg("largest"), py::arg("temperature") = 1.0,
        py::arg("isa") = "", py::arg("threads") = 1);
}

}  // namespace bp::bind
