// gemv and gemm: the weights of one iteration are one copy. The result is checked without a kernel,
// against the matrix that the weights were packed from: with random odd r[n], for every row m
//   sum over n of r[n] * y[m, n]  =  sum over k of (sum over n of r[n] * W[n, k]) * q[m, k]
// modulo 2^64. One wrong sum is always seen, several all but always (Freivalds), in N*K + M*(N+K)
// steps.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "bench/candidate.hpp"
#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "formats/layout.hpp"
#include "kernels/gemm/gemm.hpp"
#include "kernels/pack/pack.hpp"

namespace bp {
namespace {

constexpr std::uint64_t weight_seed = 1, activation_seed = 2, projection_seed = 4;
constexpr std::uint16_t half_one = 0x3c00;  // float16 1.0: the scale of blocks that have one

struct product_data {
  layout w_layout;
  std::int64_t M, N, K, bytes, stride, copies;
  std::vector<std::uint64_t> want;  // [M]: the right-hand side of the check
  // On cache lines, all of them: where malloc places the rest differs between two builds, and
  // loads of q that cross lines alone cost 4 %.
  buffer w, q_memory, y_memory;

  std::int8_t* q() const { return reinterpret_cast<std::int8_t*>(q_memory.get()); }    // [M, K]
  std::int32_t* y() const { return reinterpret_cast<std::int32_t*>(y_memory.get()); }  // [M, N]
};

std::vector<std::uint64_t> projected(const product_data& d, const std::int8_t* weights) {
  random_source odd(projection_seed);
  std::vector<std::uint64_t> columns(static_cast<std::size_t>(d.K)), rows;
  for (std::int64_t n = 0; n < d.N; ++n) {
    const std::uint64_t r = odd.next() | 1;
    for (auto& column : columns) column += r * static_cast<std::uint64_t>(std::int64_t{*weights++});
  }
  const std::int8_t* q = d.q();
  for (std::int64_t m = 0; m < d.M; ++m) {
    std::uint64_t sum = 0;
    for (const std::uint64_t column : columns)
      sum += column * static_cast<std::uint64_t>(std::int64_t{*q++});
    rows.push_back(sum);
  }
  return rows;
}

bool matches(const product_data& d) {
  const std::int32_t* y = d.y();
  for (const std::uint64_t want : d.want) {
    random_source odd(projection_seed);
    std::uint64_t sum = 0;
    for (std::int64_t n = 0; n < d.N; ++n)
      sum += (odd.next() | 1) * static_cast<std::uint64_t>(std::int64_t{*y++});
    if (sum != want) return false;
  }
  return true;
}

std::shared_ptr<product_data> make_data(const case_name& name, const kernel_row& kernel,
                                        std::int64_t M, std::int64_t N, std::int64_t K) {
  auto data = std::make_shared<product_data>();
  product_data& d = *data;
  d.w_layout = make_layout(name.format, N, K);
  d.M = M;
  d.N = N;
  d.K = K;
  d.bytes = weight_bytes(kernel, d.w_layout, M);
  d.stride = (d.bytes + 63) / 64 * 64;
  d.copies = copies_of(name, d.stride);
  d.w = allocate(static_cast<std::size_t>(d.stride * d.copies));
  d.q_memory = allocate(static_cast<std::size_t>(M * K));
  d.y_memory = allocate(static_cast<std::size_t>(4 * M * N));
  std::vector<std::int8_t> weights(static_cast<std::size_t>(N * K));
  random_source ternary(weight_seed), bytes(activation_seed);
  for (auto& each : weights) each = ternary.ternary();
  for (std::int64_t i = 0; i < M * K; ++i) d.q()[i] = bytes.byte();
  const buffer packed = allocate(static_cast<std::size_t>(packed_bytes(d.w_layout)));
  run_pack(select("pack", name.format, ""), d.w_layout, weights.data(), packed.get(), half_one, 1);
  prepare_weights(kernel, d.w_layout, M, packed.get(), d.w.get(), d.bytes);
  for (std::int64_t copy = 1; copy < d.copies; ++copy)
    std::memcpy(d.w.get() + copy * d.stride, d.w.get(), static_cast<std::size_t>(d.bytes));
  d.want = projected(d, weights.data());
  return data;
}

product_args iteration(const product_data& data, std::int64_t i) {
  product_args args{};
  args.w = data.w.get() + i % data.copies * data.stride;
  args.w_bytes = data.bytes;
  args.q = data.q();
  args.y = data.y();
  args.M = data.M;
  args.N = data.N;
  args.K = data.w_layout.K_padded;
  args.K_true = data.K;
  args.tile = data.w_layout.tile;
  return args;
}

prepared_case make_product(const case_name& name, const kernel_row& kernel, std::int64_t M,
                           std::int64_t N, std::int64_t K) {
  const auto data = make_data(name, kernel, M, N, K);
  prepared_case made;
  made.memory = data->copies * data->stride;
  made.footprint = made.memory + M * (K + 4 * N);
  made.run = [data, &kernel, threads = name.threads](std::int64_t i) {
    run_product(kernel, iteration(*data, i), threads);
  };
  if (M == 1 && name.format == "i2_s") {  // any number of its rows is a product too
    made.run_part = [data, &kernel, threads = name.threads](std::int64_t i, double part) {
      product_args args = iteration(*data, i);
      args.N =
          std::clamp<std::int64_t>(std::llround(part * static_cast<double>(args.N)), 1, args.N);
      run_product(kernel, args, threads);
    };
  }
  made.result = [data] {
    return std::span(data->y_memory.get(), static_cast<std::size_t>(4 * data->M * data->N));
  };
  made.right = [data] { return matches(*data); };
  return made;
}

}  // namespace

prepared_case make_gemv(const case_name& name, std::string_view isa) {
  check_rank(name, 2, "NxK");
  return make_product(name, pick("gemv", name.format, isa), 1, name.shape[0], name.shape[1]);
}

prepared_case make_gemm(const case_name& name, std::string_view isa) {
  check_rank(name, 3, "MxNxK");
  return make_product(name, pick("gemm", name.format, isa), name.shape[0], name.shape[1],
                      name.shape[2]);
}

}  // namespace bp
