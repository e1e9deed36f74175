// The pieces from which a candidate is checked (bitnet_perf/bench/candidate_check.py): one range of
// one variant at a time, on memory that faults. Trusts its caller: sizes are not checked here.
#include "bench/candidate.hpp"

#include "bench/guarded.hpp"
#include "bind/arrays.hpp"
#include "bind/packed.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/pack/pack.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp::bind {
namespace {

// A variant and the layout of its weights.
struct guarded_kernel {
  const kernel_row& row;
  layout w;

  guarded_kernel(const std::string& family, const std::string& format, const std::string& isa,
                 std::int64_t N, std::int64_t K, const tile_t& tile)
      : row(pick(family, format, isa)), w(make_layout(format, N, K, to_tiling(tile))) {}

  product_args product(std::int64_t M, product_step step) const {
    product_args args{};
    args.M = M;
    args.N = w.N;
    args.K = w.K_padded;
    args.K_true = w.K;
    args.tile = w.tile;
    args.step = step;
    return args;
  }

  // row_step, bytes of the weights, whether they are in a layout of its own, bytes and parts of
  // the tables.
  py::tuple plan(std::int64_t M) const {
    product_needs needs;
    const std::int64_t bytes = weight_bytes(row, w, M);
    product_args args = product(M, product_step::plan);
    args.needs = &needs;
    kernel_cast<product_args>(row)(args);
    return py::make_tuple(needs.row_step, bytes, own_layout(row, w, M), needs.shared_bytes,
                          needs.shared_parts);
  }

  void prepare(const guarded& packed, const guarded& to, std::int64_t M) const {
    prepare_weights(row, w, M, packed.data(), to.data(), static_cast<std::int64_t>(to.size()));
  }

  void tables(const guarded& weights, const guarded& q, const guarded& q_sum, const guarded& to,
              std::int64_t M, std::int64_t begin, std::int64_t end) const {
    product_args args = product_on(weights, q, q_sum, M, product_step::prepare);
    args.shared = to.data();
    args.part_begin = begin;
    args.part_end = end;
    const py::gil_scoped_release unlocked;
    kernel_cast<product_args>(row)(args);
  }

  // Rows begin .. end, cut at multiples of `step` for several threads.
  void rows(const guarded& weights, const guarded& q, const guarded& q_sum, const guarded* shared,
            const guarded& y, std::int64_t M, std::int64_t begin, std::int64_t end,
            std::int64_t step, int threads) const {
    product_args args = product_on(weights, q, q_sum, M, product_step::rows);
    args.shared = shared == nullptr ? nullptr : shared->data();
    args.y = reinterpret_cast<std::int32_t*>(y.data());
    over(begin, end, step, threads, [&](std::int64_t first, std::int64_t last) {
      product_args part = args;
      part.row_begin = first;
      part.row_end = last;
      kernel_cast<product_args>(row)(part);
    });
  }

  void pack(const guarded& codes, const guarded& data, std::uint16_t d, std::int64_t begin,
            std::int64_t end, int threads) const {
    std::uint8_t invalid = 0;
    over(begin, end, row_step(w), threads, [&](std::int64_t first, std::int64_t last) {
      pack_args args = pack_arguments(w);
      args.codes = reinterpret_cast<const std::int8_t*>(codes.data()) + first * w.K;
      args.data = data.data();
      args.d = d;
      args.invalid = &invalid;
      args.row_begin = first;
      args.row_end = last;
      kernel_cast<pack_args>(row)(args);
    });
  }

  void unpack(const guarded& data, const guarded& codes, std::int64_t begin, std::int64_t end,
              int threads) const {
    over(begin, end, row_step(w), threads, [&](std::int64_t first, std::int64_t last) {
      unpack_args args = unpack_arguments(w);
      args.data = data.data();
      args.codes = reinterpret_cast<std::int8_t*>(codes.data()) + first * w.K;
      args.row_begin = first;
      args.row_end = last;
      kernel_cast<unpack_args>(row)(args);
    });
  }

  template <class F>
  static void over(std::int64_t begin, std::int64_t end, std::int64_t step, int threads, F&& f) {
    const py::gil_scoped_release unlocked;
    if (threads <= 1) return f(begin, end);
    for_rows(threads, end, step, f);
  }

 private:
  product_args product_on(const guarded& weights, const guarded& q, const guarded& q_sum,
                          std::int64_t M, product_step step) const {
    product_args args = product(M, step);
    args.w = weights.data();
    args.w_bytes = static_cast<std::int64_t>(weights.size());
    args.q = reinterpret_cast<const std::int8_t*>(q.data());
    args.q_sum = reinterpret_cast<const std::int32_t*>(q_sum.data());
    return args;
  }
};

void guarded_activations(const std::string& format, const std::string& isa, const guarded& x,
                         const guarded& values, const guarded& scale, const guarded& sum,
                         std::int64_t M, std::int64_t K, std::int64_t begin, std::int64_t end,
                         int threads) {
  const kernel_row& row = pick("quantize_activations", format, isa);
  guarded_kernel::over(begin, end, 1, threads, [&](std::int64_t first, std::int64_t last) {
    kernel_cast<quantize_activations_args>(row)(
        {x.data(), float_kind::float32, reinterpret_cast<std::int8_t*>(values.data()),
         reinterpret_cast<float*>(scale.data()), reinterpret_cast<std::int32_t*>(sum.data()), M, K,
         first, last});
  });
}

}  // namespace

void bind_candidate(py::module_& m) {
  m.def("load_candidate", &load_candidate, py::arg("path"));
  m.def("report_faults", &report_faults, py::arg("to"));
  m.def("guarded_activations", &guarded_activations, py::arg("format"), py::arg("isa"),
        py::arg("x"), py::arg("values"), py::arg("scale"), py::arg("total"), py::arg("M"),
        py::arg("K"), py::arg("begin"), py::arg("end"), py::arg("threads"));
  // Plain classes: pybind11's own metaclass is nothing that a stub can name.
  const py::metaclass plain(reinterpret_cast<PyObject*>(&PyType_Type));
  py::class_<guarded>(m, "Guarded", plain)
      .def(py::init<const std::string&, std::size_t, bool, std::size_t>(), py::arg("name"),
           py::arg("size"), py::arg("at_end"), py::arg("align") = 1)
      .def("seal", &guarded::seal)
      .def("open", &guarded::open)
      .def("damage",
           [](const guarded& memory) -> py::object {
             const std::int64_t at = memory.damage();
             if (at == -1 - static_cast<std::int64_t>(memory.size())) return py::none();
             return py::int_(at);
           })
      // uint8[size] over the memory itself, writable for numpy whether sealed or not.
      .def("bytes", [](const py::object& self) {
        const auto& memory = self.cast<const guarded&>();
        return py::array_t<std::uint8_t>(static_cast<py::ssize_t>(memory.size()), memory.data(),
                                         self);
      });
  py::class_<guarded_kernel>(m, "GuardedKernel", plain)
      .def(py::init<const std::string&, const std::string&, const std::string&, std::int64_t,
                    std::int64_t, const tile_t&>(),
           py::arg("family"), py::arg("format"), py::arg("isa"), py::arg("N"), py::arg("K"),
           py::arg("tile") = tile_t{})
      .def("plan", &guarded_kernel::plan, py::arg("M"))
      .def("prepare", &guarded_kernel::prepare, py::arg("packed"), py::arg("to"), py::arg("M"))
      .def("tables", &guarded_kernel::tables, py::arg("w"), py::arg("q"), py::arg("q_sum"),
           py::arg("to"), py::arg("M"), py::arg("begin"), py::arg("end"))
      .def("rows", &guarded_kernel::rows, py::arg("w"), py::arg("q"), py::arg("q_sum"),
           py::arg("tables"), py::arg("y"), py::arg("M"), py::arg("begin"), py::arg("end"),
           py::arg("step"), py::arg("threads"))
      .def("pack", &guarded_kernel::pack, py::arg("codes"), py::arg("data"), py::arg("d"),
           py::arg("begin"), py::arg("end"), py::arg("threads"))
      .def("unpack", &guarded_kernel::unpack, py::arg("data"), py::arg("codes"), py::arg("begin"),
           py::arg("end"), py::arg("threads"));
}

}  // namespace bp::bind
