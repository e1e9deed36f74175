// The versioned entry of benchmarks (bitnet_perf/_bench.py). No NumPy: workers start fast.
#include <pybind11/stl.h>

#include "bench/cases.hpp"
#include "bind/arrays.hpp"
#include "core/spans.hpp"

namespace bp::bind {
namespace {

py::tuple loop(const std::string& name, std::int64_t iterations, const std::string& isa,
               double extra) {
  if (iterations < 1)
    fail(error_kind::config,
         "iterations: found " + std::to_string(iterations) + ", accepted is 1 or more");
  if (!(extra >= 0 && extra <= 100))
    fail(error_kind::config,
         "extra: found " + std::to_string(extra) + ", accepted is a number from 0 to 100");
  loop_time time{};
  {
    const py::gil_scoped_release unlocked;
    time = run_loop(*find_case(name, isa), iterations, extra);
  }
  return py::make_tuple(time.wall_ns, time.cpu_ns, time.switches);
}

py::tuple work(const std::string& name, const std::string& isa) {
  std::shared_ptr<prepared_case> found;
  {
    const py::gil_scoped_release unlocked;
    found = find_case(name, isa);
  }
  return py::make_tuple(found->bytes, found->ops, found->footprint,
                        static_cast<std::int64_t>(found->result().size()), found->isa);
}

// (name, thread, begin, end, bytes, ops) of every span, and how many were lost.
py::tuple stop_recording() {
  std::int64_t lost = 0;
  std::vector<span_record> records;
  {
    const py::gil_scoped_release unlocked;
    records = stop_spans(&lost);
  }
  const auto named = span_names();
  py::list rows;
  for (const span_record& each : records) {
    const std::string name =
        each.row >= 0 ? row_at(each.row).name() : named[static_cast<std::size_t>(-1 - each.row)];
    rows.append(
        py::make_tuple(name, each.thread, each.begin_ns, each.end_ns, each.bytes, each.ops));
  }
  return py::make_tuple(rows, lost);
}

}  // namespace

void bind_bench(py::module_& m) {
  m.def("bench_loop", &loop, py::arg("case"), py::arg("iterations"), py::arg("isa") = "",
        py::arg("extra") = 0.0);
  m.def("bench_work", &work, py::arg("case"), py::arg("isa") = "");
  m.def(
      "bench_check",
      [](const std::string& name, const std::string& isa, std::int64_t flip) {
        const py::gil_scoped_release unlocked;
        check_case(*find_case(name, isa), flip);
      },
      py::arg("case"), py::arg("isa") = "", py::arg("flip") = -1);
  m.def("spans_on", [] { return spans_on.load(); });
  m.def("start_spans", &start_spans);
  m.def("stop_spans", &stop_recording);
  m.def("now_ns", &now_ns);
  m.def(
      "record_span",
      [](const std::string& name, std::int64_t begin, std::int64_t end) {
        if (spans_on.load()) record_span({span_row(name), 0, begin, end, 0, 0});
      },
      py::arg("name"), py::arg("begin"), py::arg("end"));
  m.def("bench_families", [] {
    py::list rows;
    for (const case_family& each : case_families())
      rows.append(py::make_tuple(each.family, each.stage));
    return rows;
  });
}

}  // namespace bp::bind
