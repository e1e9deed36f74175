#include <pybind11/stl.h>

#include <cstring>
#include <span>

#include "bind/arrays.hpp"
#include "gguf/reader.hpp"

namespace bp::bind {
namespace {

// A header as Python objects; places are counted from `begin`, the first byte of the file.
struct converter {
  const char* begin;

  py::str text(std::string_view bytes, const std::string& what) const {
    PyObject* found =
        PyUnicode_DecodeUTF8(bytes.data(), static_cast<py::ssize_t>(bytes.size()), nullptr);
    if (found != nullptr) return py::reinterpret_steal<py::str>(found);
    if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError) == 0) throw py::error_already_set();
    PyErr_Clear();
    fail(error_kind::model, what + ": found " + gguf_quoted(bytes) + " at byte " +
                                std::to_string(bytes.data() - begin) + ", accepted is UTF-8");
  }

  py::tuple strings(const gguf_value& value, const std::string& what) const {
    py::tuple found(static_cast<std::size_t>(value.count));
    const char* at = value.bytes.data();
    for (std::uint64_t i = 0; i < value.count; ++i) {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, at, sizeof bytes);
      found[static_cast<std::size_t>(i)] = text({at + 8, static_cast<std::size_t>(bytes)}, what);
      at += 8 + bytes;
    }
    return found;
  }

  template <class T>
  static py::object numbers(const gguf_value& value) {
    if (value.array) {
      py::array_t<T> found(static_cast<py::ssize_t>(value.count));
      if (value.count > 0)
        std::memcpy(found.mutable_data(), value.bytes.data(), value.bytes.size());
      found.attr("flags").attr("writeable") = false;
      return found;
    }
    T found;
    std::memcpy(&found, value.bytes.data(), sizeof found);
    return py::cast(found);
  }

  py::object of(const gguf_value& value, const std::string& what) const {
    switch (value.type) {
      case gguf_type::uint8:
        return numbers<std::uint8_t>(value);
      case gguf_type::int8:
        return numbers<std::int8_t>(value);
      case gguf_type::uint16:
        return numbers<std::uint16_t>(value);
      case gguf_type::int16:
        return numbers<std::int16_t>(value);
      case gguf_type::uint32:
        return numbers<std::uint32_t>(value);
      case gguf_type::int32:
        return numbers<std::int32_t>(value);
      case gguf_type::float32:
        return numbers<float>(value);
      case gguf_type::boolean:
        return numbers<bool>(value);
      case gguf_type::uint64:
        return numbers<std::uint64_t>(value);
      case gguf_type::int64:
        return numbers<std::int64_t>(value);
      case gguf_type::float64:
        return numbers<double>(value);
      case gguf_type::string:
        if (value.array) return strings(value, what);
        return text(value.bytes, what);
      case gguf_type::array:
        break;
    }
    return py::none();
  }
};

// None, or (version, alignment, place of the data, keys, [(name, dims, type, offset, room, place of
// its entry)]).
py::object parse(const py::buffer& prefix, std::uint64_t file_size) {
  const py::buffer_info info = prefix.request();
  if (info.itemsize != 1 || info.ndim != 1 || info.strides[0] != 1)
    fail(error_kind::shape, "prefix: accepted are bytes");
  const std::span bytes(static_cast<const std::uint8_t*>(info.ptr),
                        static_cast<std::size_t>(info.size));
  const auto header = parse_gguf(bytes, file_size);
  if (!header) return py::none();
  const converter convert{reinterpret_cast<const char*>(bytes.data())};
  py::dict keys;
  for (const gguf_key& key : header->keys) {
    const std::string what = "key " + gguf_quoted(key.name);
    keys[convert.text(key.name, "a key's name")] = convert.of(key.value, what);
  }
  py::list tensors;
  for (const gguf_tensor& tensor : header->tensors) {
    tensors.append(py::make_tuple(convert.text(tensor.name, "a tensor's name"),
                                  py::tuple(py::cast(tensor.dims)), tensor.type, tensor.offset,
                                  tensor.room, tensor.entry));
  }
  return py::make_tuple(header->version, header->alignment, header->data_offset, keys, tensors);
}

}  // namespace

void bind_gguf(py::module_& m) {
  m.def("parse_gguf", &parse, py::arg("prefix"), py::arg("file_size"));
}

}  // namespace bp::bind
