// The versioned entry of benchmarks (bitnet_perf/_bench.py). No NumPy: workers start fast.
#include <pybind11/stl.h>

#include "bench/cases.hpp"
#include "bind/arrays.hpp"

namespace bp::bind {
namespace {

py::tuple loop(const std::string& name, std::int64_t iterations, const std::string& isa) {
  if (iterations < 1)
    fail(error_kind::config,
         "iterations: found " + std::to_string(iterations) + ", accepted is 1 or more");
  loop_time time{};
  {
    const py::gil_scoped_release unlocked;
    time = run_loop(*find_case(name, isa), iterations);
  }
  return py::make_tuple(time.wall_ns, time.cpu_ns, time.switches);
}

py::tuple work(const std::string& name, const std::string& isa) {
  std::shared_ptr<prepared_case> found;
  {
    const py::gil_scoped_release unlocked;
    found = find_case(name, isa);
  }
  return py::make_tuple(found->bytes, found->ops, found->footprint, found->isa);
}

}  // namespace

void bind_bench(py::module_& m) {
  m.def("bench_loop", &loop, py::arg("case"), py::arg("iterations"), py::arg("isa") = "");
  m.def("bench_work", &work, py::arg("case"), py::arg("isa") = "");
  m.def(
      "bench_check",
      [](const std::string& name, const std::string& isa, std::int64_t flip) {
        const py::gil_scoped_release unlocked;
        check_case(*find_case(name, isa), flip);
      },
      py::arg("case"), py::arg("isa") = "", py::arg("flip") = -1);
  m.def("bench_families", [] {
    py::list rows;
    for (const case_family& each : case_families())
      rows.append(py::make_tuple(each.family, each.stage));
    return rows;
  });
}

}  // namespace bp::bind
