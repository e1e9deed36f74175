// gemv: the weights of one iteration are one copy; its result is checked against the matrix that
// the weights were packed from, without any kernel.
#include <cstring>

#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "kernels/gemv/gemv.hpp"

namespace bp {
namespace {

constexpr std::uint64_t weight_seed = 1, activation_seed = 2;

// Codes of 128 weights in 32 bytes: byte p holds weights p, 32 + p, 64 + p, 96 + p, first highest.
void pack_i2_s(const std::int8_t* weights, std::int64_t count, std::uint8_t* out) {
  for (std::int64_t g = 0; g < count; g += 128)
    for (int p = 0; p < 32; ++p, ++out) {
      *out = 0;
      for (int j = 0; j < 4; ++j)
        *out = static_cast<std::uint8_t>(*out << 2 | (weights[g + 32 * j + p] + 1));
    }
}

struct gemv_data {
  std::int64_t N, K, copies, stride;
  std::vector<std::int8_t> q;
  std::vector<std::int32_t> y;
  buffer w;
};

}  // namespace

prepared_case make_gemv(const case_name& name, std::string_view isa) {
  check_rank(name, 2, "NxK");
  const kernel_row& kernel = select("gemv", name.format, isa);
  auto data = std::make_shared<gemv_data>();
  gemv_data& d = *data;
  d.N = name.shape[0];
  d.K = name.shape[1];
  d.stride = (d.N * d.K / 4 + 63) / 64 * 64;
  d.copies = copies_of(name, d.stride);
  d.w = allocate(static_cast<std::size_t>(d.stride * d.copies));
  std::vector<std::int8_t> weights(static_cast<std::size_t>(d.N * d.K));
  random_source ternary(weight_seed), bytes(activation_seed);
  for (auto& each : weights) each = ternary.ternary();
  pack_i2_s(weights.data(), d.N * d.K, d.w.get());
  for (std::int64_t copy = 1; copy < d.copies; ++copy)
    std::memcpy(d.w.get() + copy * d.stride, d.w.get(), static_cast<std::size_t>(d.stride));
  d.q.resize(static_cast<std::size_t>(d.K));
  for (auto& each : d.q) each = bytes.byte();
  d.y.resize(static_cast<std::size_t>(d.N));

  prepared_case made;
  made.memory = d.copies * d.stride;
  made.footprint = made.memory + d.K + 4 * d.N;
  made.run = [data, &kernel, threads = name.threads](std::int64_t i) {
    gemv_args args{};
    args.w = data->w.get() + i % data->copies * data->stride;
    args.w_bytes = data->stride;
    args.q = data->q.data();
    args.y = data->y.data();
    args.N = data->N;
    args.K = args.K_true = data->K;
    args.M = 1;
    run_gemv(kernel, args, threads);
  };
  made.result = [data] {
    return std::span(reinterpret_cast<std::uint8_t*>(data->y.data()), data->y.size() * 4);
  };
  made.right = [data] {
    random_source again(weight_seed);
    for (const std::int32_t found : data->y) {
      std::int32_t want = 0;
      for (const std::int8_t q : data->q) want += again.ternary() * q;
      if (found != want) return false;
    }
    return true;
  };
  return made;
}

}  // namespace bp
