#include "core/registry.hpp"

#include <pybind11/stl.h>

#include "bind/arrays.hpp"
#include "core/tunables.hpp"

namespace bp::bind {

void bind_registry(py::module_& m) {
  m.def("kernels", [] {
    py::list rows;
    for (const kernel_row& row : kernels())
      rows.append(py::make_tuple(row.family, row.format, row.isa, why_not(row)));
    return rows;
  });
  m.def("isas", [] {
    py::list rows;
    for (const isa_info& isa : isas())
      rows.append(py::make_tuple(isa.name, isa.arch, isa.needs, isa.built, isa.why == nullptr));
    return rows;
  });
  m.def(
      "select",
      [](const std::string& family, const std::string& format, const std::string& isa) {
        return std::string(select(family, format, isa).isa);
      },
      py::arg("family"), py::arg("format"), py::arg("isa") = "");
  m.def(
      "native_layout", [](const std::string& isa) { return std::string(native_layout(isa)); },
      py::arg("isa") = "");
  // (name, value, default, least, most, words, unit, meaning)
  m.def("tunables", [] {
    py::list rows;
    for (const tunable_info& each : tunables())
      rows.append(py::make_tuple(each.name, tuned(static_cast<tunable>(py::len(rows))),
                                 each.standard, each.least, each.most, each.words, each.unit,
                                 each.meaning));
    return rows;
  });
  m.def("set_tunables", &set_tunables, py::arg("values"));
  m.def("default_threads", &default_threads);
  m.def("allocations", [] {
    const allocation_count found = allocations();
    return py::make_tuple(found.calls, found.bytes);
  });
}

}  // namespace bp::bind
