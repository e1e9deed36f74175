// Table of contents of the extension module.
#include "bind/arrays.hpp"

namespace bp::bind {
#define BP_CATEGORY(name) void bind_##name(pybind11::module_& m);
#include "bind/categories.inc"
#undef BP_CATEGORY
}  // namespace bp::bind

namespace {

namespace py = pybind11;

const char* class_name(bp::error_kind kind) {
  switch (kind) {
    case bp::error_kind::format:
      return "FormatError";
    case bp::error_kind::shape:
      return "ShapeError";
    case bp::error_kind::isa:
      return "IsaError";
    case bp::error_kind::environment:
      return "EnvironmentRefused";
    case bp::error_kind::measurement:
      return "MeasurementError";
    case bp::error_kind::config:
      return "ConfigError";
    case bp::error_kind::model:
      return "ModelError";
  }
  return "BitnetPerfError";
}

void raise(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const bp::error& e) {
    const py::object type = py::module_::import("bitnet_perf.errors").attr(class_name(e.kind()));
    PyErr_SetString(type.ptr(), e.what());
  }
}

}  // namespace

PYBIND11_MODULE(_native, m) {
  m.attr("__version__") = BP_VERSION;
  m.attr("compiler") = BP_COMPILER;
  py::register_exception_translator(&raise);
#define BP_CATEGORY(name) bp::bind::bind_##name(m);
#include "bind/categories.inc"
#undef BP_CATEGORY
}
