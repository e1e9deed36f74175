#include <pybind11/stl.h>

#include "bind/arrays.hpp"
#include "core/registry.hpp"
#include "formats/block_codecs.hpp"
#include "kernels/block_dequantize/block_dequantize.hpp"
#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_quantize/block_quantize.hpp"

namespace bp::bind {
namespace {

constexpr int highest_rank = 32;
// The crate's decoder of quant.i2s refuses larger blocks, its encoder does not.
constexpr std::int64_t most_decoded_i2s = 1024;

std::string text(std::int64_t value) {
  return std::to_string(value);
}

const block_codec& find_codec(const std::string& id) {
  std::string choices;
  for (const block_codec& codec : block_codecs) {
    if (codec.id == id) return codec;
    (choices += choices.empty() ? "" : ", ") += codec.id;
  }
  fail(error_kind::format, "codec: found '" + id + "', accepted is one of " + choices +
                               " (without the prefix 'bitnet_rs.')");
}

// The block that runs for the one asked for; the crate raises too small ones of quant.i2s to 4.
std::int64_t find_block(const block_codec& codec, const py::object& asked) {
  if (asked.is_none()) return codec.block;
  if (!py::isinstance<py::int_>(asked)) {
    fail(error_kind::format,
         "block: found " + std::string(py::repr(asked)) + ", accepted is a whole number or None");
  }
  int beyond = 0;
  const std::int64_t block = PyLong_AsLongLongAndOverflow(asked.ptr(), &beyond);
  const bool fixed = codec.least == codec.most;
  const std::int64_t least = fixed ? codec.least : 1;
  if (beyond != 0 || block < least || block > codec.most) {
    fail(error_kind::format, "block: found " + std::string(py::str(asked)) + ", accepted for " +
                                 std::string(codec.id) + " is " +
                                 (fixed ? text(codec.block) : "1 to " + text(codec.most)));
  }
  return block < codec.least ? codec.least : block;
}

std::int64_t blocks_of(std::int64_t count, std::int64_t block) {
  return count / block + (count % block != 0);
}

// float32 of any shape. Empty is let through: the crates encode it to nothing.
py::array_t<float> values(const py::handle& value) {
  const py::array array = as_array(value, "x");
  if (array.size() == 0 && array.dtype().equal(py::dtype::of<float>()))
    return py::array_t<float>(0);
  return input<float>(array, "x", 1, highest_rank);
}

void refuse_nothing_finite(const float* x, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i)
    if (__builtin_fabsf(x[i]) <= __FLT_MAX__) return;
  if (count > 0) {
    fail(error_kind::format,
         "x: all input values are NaN or infinite, cannot quantize; accepted for quant.i2s is at "
         "least one finite value");
  }
}

// (data, scales, block): new arrays, or the buffers given.
py::tuple block_quantize(const py::handle& x, const std::string& id, const py::object& block,
                         const std::string& isa, std::int64_t threads, const py::object& data,
                         const py::object& scales) {
  const block_codec& codec = find_codec(id);
  const kernel_row& kernel = select("block_quantize", codec.kernel, isa);
  const auto in = values(x);
  block_quantize_args args{};
  args.x = in.data();
  args.count = in.size();
  args.block = find_block(codec, block);
  const std::int64_t bytes = code_bytes(codec, args.count);
  const std::int64_t blocks = blocks_of(args.count, args.block);
  const int team = check_threads(threads);
  if (id == "quant.i2s") refuse_nothing_finite(args.x, args.count);
  py::array out = data.is_none()
                      ? py::array(make_array<std::uint8_t>({bytes}))
                      // The crate's check of kernel.* forgets the last, partial byte.
                      : buffer_array(data, "out[0]", py::dtype::of<std::uint8_t>(),
                                     codec.merges ? args.count / 4 : bytes, "the codes of " + id);
  py::array out_scales = scales.is_none() ? py::array(make_array<float>({blocks}))
                                          : buffer_array(scales, "out[1]", py::dtype::of<float>(),
                                                         blocks, "the scales of " + id);
  check_apart(out, "out[0]", in, "x");
  check_apart(out_scales, "out[1]", in, "x");
  check_apart(out_scales, "out[1]", out, "out[0]");
  args.data = static_cast<std::uint8_t*>(out.mutable_data());
  args.data_bytes = out.size() < bytes ? out.size() : bytes;
  args.scales = static_cast<float*>(out_scales.mutable_data());
  {
    const py::gil_scoped_release unlocked;
    run_block_quantize(kernel, args, team);
  }
  return py::make_tuple(out, out_scales, args.block);
}

// The values as float32 of `shape`.
py::array block_dequantize(const py::handle& data, const py::handle& scales, const std::string& id,
                           const py::object& block, const std::vector<std::int64_t>& shape,
                           const std::string& isa, std::int64_t threads, const py::object& out) {
  const block_codec& codec = find_codec(id);
  const kernel_row& kernel = select("block_dequantize", codec.kernel, isa);
  const auto codes = input<std::uint8_t>(data, "data", 1);
  const auto s = input<float>(scales, "scales", 1);
  block_dequantize_args args{};
  args.block = find_block(codec, block);
  if (id == "quant.i2s" && args.block > most_decoded_i2s) {
    fail(error_kind::format, "block: found " + text(args.block) +
                                 ", accepted by the decoder of quant.i2s is 1 to " +
                                 text(most_decoded_i2s));
  }
  std::int64_t count = 1;
  for (const std::int64_t n : shape) {
    if (n < 1 || __builtin_mul_overflow(count, n, &count))
      fail(error_kind::shape,
           "shape: found " + shape_text(shape) + ", accepted is dimensions >= 1");
  }
  args.count = count;
  if (codes.size() < code_bytes(codec, count)) {
    fail(error_kind::shape, "data: too small for " + text(count) + " values of " + id +
                                ": expected " + text(code_bytes(codec, count)) + ", got " +
                                text(codes.size()));
  }
  const int team = check_threads(threads);
  py::array x = out.is_none() ? py::array(make_array<float>(shape))
                              : output_array(out, "out", py::dtype::of<float>(), shape);
  check_apart(x, "out", codes, "data");
  check_apart(x, "out", s, "scales");
  args.data = codes.data();
  args.scales = s.data();
  args.x = static_cast<float*>(x.mutable_data());
  const std::int64_t scales_count = s.size();
  const py::gil_scoped_release unlocked;
  run_block_dequantize(kernel, args, scales_count, team);
  return x;
}

// Validates what both products share, and runs one over args with sizes and inputs set.
py::array product(block_matmul_args args, const char* name, std::int64_t input_bytes,
                  const std::string& isa, std::int64_t threads, const py::object& out,
                  const py::array& left, const py::array& right) {
  const kernel_row& kernel = select("block_matmul", name, isa);
  const int team = check_threads(threads);
  py::array c = out.is_none() ? py::array(make_array<float>({args.M, args.N}))
                              : output_array(out, "out", py::dtype::of<float>(), {args.M, args.N});
  check_apart(c, "out", left, "the left operand");
  check_apart(c, "out", right, "the right operand");
  args.c = static_cast<float*>(c.mutable_data());
  const py::gil_scoped_release unlocked;
  run_block_matmul(kernel, args, input_bytes + 4 * args.M * args.N, team);
  return c;
}

py::array matmul_i2s(const py::handle& a, const py::handle& b, const std::string& isa,
                     std::int64_t threads, const py::object& out) {
  const auto left = input<std::int8_t>(a, "a", 2);
  const auto right = input<std::uint8_t>(b, "b", 2);
  if (left.shape(1) != right.shape(0)) {
    fail(error_kind::shape, "b: found " + describe(right) + ", accepted with a " + describe(left) +
                                " is [" + text(left.shape(1)) + ", N]");
  }
  block_matmul_args args{};
  args.a = left.data();
  args.b = right.data();
  args.M = left.shape(0);
  args.N = right.shape(1);
  args.K = left.shape(1);
  return product(args, "matmul_i2s", left.nbytes() + right.nbytes(), isa, threads, out, left,
                 right);
}

py::array matmul_blocks(const py::handle& x, const py::handle& codes, const py::handle& scales,
                        std::int64_t block, const std::string& isa, std::int64_t threads,
                        const py::object& out) {
  const auto left = input<float>(x, "x", 2);
  const auto right = input<std::uint8_t>(codes, "codes", 2);
  const auto s = input<float>(scales, "scales", 2);
  if (block < 1) fail(error_kind::format, "block: found " + text(block) + ", accepted is >= 1");
  block_matmul_args args{};
  args.x = left.data();
  args.w = right.data();
  args.scales = s.data();
  args.M = left.shape(0);
  args.N = right.shape(0);
  args.K = left.shape(1);
  args.block = block;
  if (right.shape(1) != blocks_of(args.K, 4)) {
    fail(error_kind::shape, "codes: found " + describe(right) + ", accepted with x " +
                                describe(left) + " is [N, " + text(blocks_of(args.K, 4)) + "]");
  }
  const std::vector<std::int64_t> wanted = {args.N, blocks_of(args.K, block)};
  if (s.shape(0) != wanted[0] || s.shape(1) != wanted[1]) {
    fail(error_kind::shape, "scales: found " + describe(s) + ", accepted is " + shape_text(wanted));
  }
  return product(args, "matmul", left.nbytes() + right.nbytes() + s.nbytes(), isa, threads, out,
                 left, right);
}

}  // namespace

void bind_blocks(py::module_& m) {
  m.def("block_codecs", [] {
    py::list rows;
    for (const block_codec& codec : block_codecs) {
      rows.append(py::make_tuple(std::string(codec.id), std::string(codec.kernel), codec.block,
                                 codec.least == codec.most, codec.bits));
    }
    return rows;
  });
  m.def("block_quantize", &block_quantize, py::arg("x"), py::arg("codec"),
        py::arg("block") = py::none(), py::arg("isa") = "", py::arg("threads") = 1,
        py::arg("data") = py::none(), py::arg("scales") = py::none());
  m.def("block_dequantize", &block_dequantize, py::arg("data"), py::arg("scales"), py::arg("codec"),
        py::arg("block"), py::arg("shape"), py::arg("isa") = "", py::arg("threads") = 1,
        py::arg("out") = py::none());
  m.def("matmul_i2s", &matmul_i2s, py::arg("a"), py::arg("b"), py::arg("isa") = "",
        py::arg("threads") = 1, py::arg("out") = py::none());
  m.def("matmul_blocks", &matmul_blocks, py::arg("x"), py::arg("codes"), py::arg("scales"),
        py::arg("block"), py::arg("isa") = "", py::arg("threads") = 1, py::arg("out") = py::none());
}

}  // namespace bp::bind
