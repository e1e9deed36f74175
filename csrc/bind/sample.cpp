#include "engine/sample.hpp"

#include <string>
#include <vector>

#include "bind/arrays.hpp"
#include "core/registry.hpp"

namespace bp::bind {
namespace {

// The ids of a list or another sequence, into memory that is kept.
void ids_of(const py::handle& history, std::vector<std::int64_t>& ids) {
  const auto items =
      py::reinterpret_steal<py::object>(PySequence_Fast(history.ptr(), "history: not a sequence"));
  if (!items) throw py::error_already_set();
  PyObject** const first = PySequence_Fast_ITEMS(items.ptr());
  ids.resize(static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items.ptr())));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ids[i] = PyLong_AsLongLong(first[i]);
    if (ids[i] == -1 && PyErr_Occurred() != nullptr) {
      PyErr_Clear();
      fail(error_kind::config, "history: entry " + std::to_string(i) + " is " +
                                   std::string(py::repr(first[i])) + ", accepted is an id");
    }
  }
}

std::int64_t choose(const py::handle& value, const py::handle& history, double number,
                    const sampling& options, const std::string& isa, std::int64_t threads) {
  thread_local sampler kept;
  thread_local std::vector<std::int64_t> ids;
  const auto logits = input<float>(value, "logits", 1);
  if (!(number >= 0 && number < 1)) {
    fail(error_kind::config,
         "number: found " + std::to_string(number) + ", accepted is 0 to 1, 1 not included");
  }
  ids.clear();
  if (options.penalty != 1) ids_of(history, ids);
  const sampling_kernels kernels(isa, check_threads(threads));
  const std::span row(logits.data(), static_cast<std::size_t>(logits.size()));
  const py::gil_scoped_release unlocked;
  return kept.choose(kernels, row, options, ids, number);
}

}  // namespace

// The options are those that bitnet_perf.model.Sampling has checked.
void bind_sample(py::module_& m) {
  m.def(
      "sample",
      [](const py::handle& logits, const py::handle& history, double number, double temperature,
         std::int64_t top_k, double top_p, double min_p, double penalty, const std::string& isa,
         std::int64_t threads) {
        return choose(logits, history, number, {temperature, top_k, top_p, min_p, penalty}, isa,
                      threads);
      },
      py::arg("logits"), py::arg("history"), py::arg("number"), py::arg("temperature"),
      py::arg("top_k") = 0, py::arg("top_p") = 1.0, py::arg("min_p") = 0.0,
      py::arg("penalty") = 1.0, py::arg("isa") = "", py::arg("threads") = 1);
}

}  // namespace bp::bind
