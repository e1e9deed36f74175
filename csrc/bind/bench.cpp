// The versioned entry of benchmarks (bitnet_perf/_bench.py). No NumPy: workers start fast.
#include <pybind11/stl.h>

#include <map>
#include <tuple>

#include "bench/cases.hpp"
#include "bind/arrays.hpp"
#include "core/spans.hpp"

namespace bp::bind {
namespace {

// Spans are recorded as long as it lives, for what that costs; nobody reads them.
class recording {
 public:
  explicit recording(bool wanted) : on_(wanted) {
    if (on_) start_spans();
  }
  ~recording() {
    if (on_) end_spans();
  }
  recording(const recording&) = delete;
  recording& operator=(const recording&) = delete;

 private:
  bool on_;
};

py::tuple loop(const std::string& name, std::int64_t iterations, const std::string& isa,
               double extra, bool spans) {
  if (iterations < 1)
    fail(error_kind::config,
         "iterations: found " + std::to_string(iterations) + ", accepted is 1 or more");
  if (!(extra >= 0 && extra <= 100))
    fail(error_kind::config,
         "extra: found " + std::to_string(extra) + ", accepted is a number from 0 to 100");
  loop_time time{};
  {
    const py::gil_scoped_release unlocked;
    const auto prepared = find_case(name, isa);
    if (spans && spans_on.load())
      fail(error_kind::measurement, "spans: a profile is being recorded, end it first");
    const recording recorded(spans);
    time = run_loop(*prepared, iterations, extra);
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

// (name, thread, begin, end, bytes, ops, layer, allocations, their bytes) of every span, and how
// many were lost.
py::tuple stop_recording() {
  std::int64_t lost = 0;
  std::vector<span_record> records;
  {
    const py::gil_scoped_release unlocked;
    records = stop_spans(&lost);
  }
  const auto named = span_names();
  std::map<std::int32_t, py::str> names;  // one string a name, not one a span
  py::list rows;
  for (const span_record& each : records) {
    auto at = names.find(each.row);
    if (at == names.end()) {
      const auto name =
          each.row >= 0 ? row_at(each.row).name() : named[static_cast<std::size_t>(-1 - each.row)];
      at = names.emplace(each.row, name).first;
    }
    rows.append(py::make_tuple(at->second, each.thread, each.begin_ns, each.end_ns, each.bytes,
                               each.ops, each.layer, each.allocations, each.allocated));
  }
  return py::make_tuple(rows, lost);
}

}  // namespace

void bind_bench(py::module_& m) {
  m.def("bench_loop", &loop, py::arg("case"), py::arg("iterations"), py::arg("isa") = "",
        py::arg("extra") = 0.0, py::arg("spans") = false);
  m.def("bench_work", &work, py::arg("case"), py::arg("isa") = "");
  m.def(
      "bench_check",
      [](const std::string& name, const std::string& isa, std::int64_t flip) {
        const py::gil_scoped_release unlocked;
        check_case(*find_case(name, isa), flip);
      },
      py::arg("case"), py::arg("isa") = "", py::arg("flip") = -1);
  m.def("spans_on", [] { return spans_on.load(); });
  m.attr("default_spans") = default_spans;
  m.def("start_spans", &start_spans, py::arg("most") = default_spans);
  m.def("stop_spans", &stop_recording);
  m.def("now_ns", &now_ns);
  // What a span of Python code hands to end_span.
  m.def("begin_span", [] {
    const span_record begun = begin_span(0, -1, 0, 0);
    return py::make_tuple(begun.allocations, begun.allocated, begun.begin_ns);
  });
  m.def(
      "end_span",
      [](const std::string& name, const std::tuple<std::uint32_t, std::int64_t, std::int64_t>& at) {
        const auto& [calls, bytes, begin] = at;
        span_record record{span_row(name), -1, 0, calls, bytes, begin, 0, 0, 0};
        if (spans_on.load()) end_span(record);
      },
      py::arg("name"), py::arg("begun"));
  // A span of times that were taken otherwise.
  m.def(
      "keep_span",
      [](const std::string& name, std::int32_t layer, std::int64_t begin, std::int64_t end) {
        if (spans_on.load()) keep_span({span_row(name), layer, 0, 0, 0, begin, end, 0, 0});
      },
      py::arg("name"), py::arg("layer"), py::arg("begin"), py::arg("end"));
  m.def("bench_families", [] {
    py::list rows;
    for (const case_family& each : case_families())
      rows.append(py::make_tuple(each.family, each.stage));
    return rows;
  });
}

}  // namespace bp::bind
