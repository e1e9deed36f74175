// The only place that validates what Python hands over: rank, shape, dtype, order, sizes, threads.
// Strided, Fortran-ordered and big-endian arrays are accepted by copying; nothing is converted
// between kinds of numbers.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/memory.hpp"
#include "core/status.hpp"
#include "core/team.hpp"

namespace bp::bind {

namespace py = pybind11;

std::string describe(const py::array& array);  // "float32[3, 4]"
std::string shape_text(const std::vector<std::int64_t>& shape);

// `value` as an array of any dtype; an object that is none raises ShapeError naming `name`.
py::array as_array(const py::handle& value, const char* name);

// Raises ShapeError unless `array` holds T (any byte order), has a rank in [low, high], and no
// dimension is 0.
void check_array(const py::array& array, const char* name, const py::dtype& want, int low,
                 int high);

// A C-contiguous, native-endian, aligned array of T.
template <class T>
py::array_t<T> input(const py::handle& value, const char* name, int low, int high) {
  const py::array array = as_array(value, name);
  check_array(array, name, py::dtype::of<T>(), low, high);
  return py::array_t < T, py::array::c_style | py::array::forcecast > ::ensure(array);
}

template <class T>
py::array_t<T> input(const py::handle& value, const char* name, int rank) {
  return input<T>(value, name, rank, rank);
}

// A writable, C-contiguous array of T with exactly `shape`: results go there directly.
py::array output_array(const py::handle& value, const char* name, const py::dtype& want,
                       const std::vector<std::int64_t>& shape);

// A writable, C-contiguous array of T with one dimension and at least `least` elements; `what` says
// what needs them.
py::array buffer_array(const py::handle& value, const char* name, const py::dtype& want,
                       std::int64_t least, const std::string& what);

// Raises ShapeError where `out` overlaps `in`: it would be written while it is read.
void check_apart(const py::array& out, const char* out_name, const py::array& in,
                 const char* in_name);

// A new array over memory from allocate(): 64-byte aligned, on huge pages where it is large.
template <class T>
py::array_t<T> make_array(const std::vector<std::int64_t>& shape) {
  std::size_t count = 1;
  for (const std::int64_t n : shape) count *= static_cast<std::size_t>(n);
  auto* memory = new buffer(allocate(count * sizeof(T)));
  const py::capsule owner(memory, [](void* p) { delete static_cast<buffer*>(p); });
  return py::array_t<T>(std::vector<py::ssize_t>(shape.begin(), shape.end()),
                        reinterpret_cast<const T*>(memory->get()), owner);
}

inline int check_threads(std::int64_t threads) {
  if (threads < 1 || threads > max_threads) {
    fail(error_kind::shape, "threads: found " + std::to_string(threads) + ", accepted is 1 to " +
                                std::to_string(max_threads));
  }
  return static_cast<int>(threads);
}

}  // namespace bp::bind
