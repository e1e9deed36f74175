#include "bind/arrays.hpp"

namespace bp::bind {
namespace {

std::string dtype_name(const py::dtype& dtype) {
  return py::str(dtype.attr("name"));
}

std::vector<std::int64_t> shape_of(const py::array& array) {
  return {array.shape(), array.shape() + array.ndim()};
}

py::array numpy_array(const py::handle& value, const char* name) {
  if (py::isinstance<py::array>(value)) return py::reinterpret_borrow<py::array>(value);
  fail(error_kind::shape,
       std::string(name) + ": accepted is a NumPy array that the result is written to");
}

void check_writable(const py::array& array, const char* name) {
  if (!array.writeable())
    fail(error_kind::shape,
         std::string(name) + ": found a read-only array, accepted is a writable one");
  if ((array.flags() & py::array::c_style) == 0) {
    fail(error_kind::shape,
         std::string(name) + ": found a strided array, accepted is a C-contiguous one");
  }
}

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string describe(const py::array& array) {
  return dtype_name(array.dtype()) + shape_text(shape_of(array));
}

py::array as_array(const py::handle& value, const char* name) {
  const std::string type = py::str(py::type::of(value).attr("__name__"));
  if (!value.is_none()) {
    if (auto array = py::array::ensure(value); array && array.dtype().kind() != 'O') return array;
    PyErr_Clear();
  }
  fail(error_kind::shape,
       std::string(name) + ": found " + type + ", accepted is an array of numbers");
}

void check_array(const py::array& array, const char* name, const py::dtype& want, int low,
                 int high) {
  const py::dtype found = array.dtype();
  if (found.kind() != want.kind() || found.itemsize() != want.itemsize()) {
    fail(error_kind::shape, std::string(name) + ": found dtype " + dtype_name(found) +
                                ", accepted is " + dtype_name(want));
  }
  if (array.ndim() < low || array.ndim() > high) {
    const std::string ranks =
        low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
    fail(error_kind::shape, std::string(name) + ": found " + std::to_string(array.ndim()) +
                                " dimensions (" + describe(array) + "), accepted is " + ranks);
  }
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    if (array.shape(i) == 0) {
      fail(error_kind::shape, std::string(name) + ": found an empty array " + describe(array) +
                                  ", accepted is every dimension >= 1");
    }
  }
}

py::array output_array(const py::handle& value, const char* name, const py::dtype& want,
                       const std::vector<std::int64_t>& shape) {
  const auto array = numpy_array(value, name);
  const bool same = array.dtype().equal(want) && shape_of(array) == shape;
  if (!same) {
    fail(error_kind::shape, std::string(name) + ": found " + describe(array) + ", accepted is " +
                                dtype_name(want) + shape_text(shape));
  }
  check_writable(array, name);
  return array;
}

py::array buffer_array(const py::handle& value, const char* name, const py::dtype& want,
                       std::int64_t least, const std::string& what) {
  const auto array = numpy_array(value, name);
  if (!array.dtype().equal(want) || array.ndim() != 1) {
    fail(error_kind::shape, std::string(name) + ": found " + describe(array) + ", accepted is " +
                                dtype_name(want) + " with 1 dimension");
  }
  check_writable(array, name);
  if (array.size() < least) {
    fail(error_kind::shape, std::string(name) + ": too small for " + what + ": expected " +
                                std::to_string(least) + ", got " + std::to_string(array.size()));
  }
  return array;
}

void check_apart(const py::array& out, const char* out_name, const py::array& in,
                 const char* in_name) {
  const auto* o = static_cast<const char*>(out.data());
  const auto* i = static_cast<const char*>(in.data());
  if (o < i + in.nbytes() && i < o + out.nbytes()) {
    fail(error_kind::shape, std::string(out_name) + ": found an array that overlaps " + in_name +
                                ", accepted is memory of its own");
  }
}

}  // namespace bp::bind
