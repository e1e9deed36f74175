// Heads and embeddings: gemv_dense NxK, gemm_dense MxNxK, embed MxNxK (M tokens of a vocabulary of
// N). The weights of one iteration are one copy. Those of f32, f16 and bf16 and the activations are
// small integers, whose sums are exact in any order, so that the results of all ISAs have the same
// bits in these formats too.
#include <bit>
#include <cstring>

#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "core/status.hpp"
#include "formats/dense.hpp"
#include "formats/half.hpp"
#include "kernels/embed/embed.hpp"
#include "kernels/gemm_dense/gemm_dense.hpp"

namespace bp {
namespace {

constexpr std::uint64_t weight_seed = 11, activation_seed = 12, token_seed = 13;

struct dense_data {
  std::int64_t M, N, K, bytes, stride, copies;
  buffer w, x, out;  // x: float32 [M, K], or int32 [M] for embed

  const std::uint8_t* weights(std::int64_t i) const { return w.get() + i % copies * stride; }
};

// A whole number in -15 .. 15: 2^24 / (15 * 128) = 8738 products of it are exact at the worst.
void fill_floats(std::string_view format, std::int64_t count, std::uint8_t* w) {
  random_source source(weight_seed);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<float>(static_cast<std::int64_t>(source.next() >> 32) % 31 - 15);
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
    const std::uint16_t half =
        format == "f16" ? float_to_half(value) : static_cast<std::uint16_t>(bits >> 16);
    if (format == "f32") {
      std::memcpy(w + 4 * i, &bits, sizeof bits);
    } else {
      std::memcpy(w + 2 * i, &half, sizeof half);
    }
  }
}

// Any codes and scales of runs, and 2^-6 as d (and dmin) of every block.
void fill_blocks(const dense_format& format, std::int64_t bytes, std::uint8_t* w) {
  random_source source(weight_seed);
  for (std::int64_t i = 0; i < bytes; ++i) w[i] = static_cast<std::uint8_t>(source.byte());
  const std::uint16_t d = float_to_half(0x1p-6f);
  const std::int64_t at = std::string_view(format.name) == "q6_k" ? 208 : 0;
  for (std::int64_t block = 0; block < bytes; block += format.block_bytes) {
    std::memcpy(w + block + at, &d, sizeof d);
    if (std::string_view(format.name) == "q4_k") std::memcpy(w + block + 2, &d, sizeof d);
  }
}

std::shared_ptr<dense_data> make_data(const case_name& name, std::int64_t M, std::int64_t N,
                                      std::int64_t K) {
  const dense_format& format = find_dense(name.format);
  auto data = std::make_shared<dense_data>();
  dense_data& d = *data;
  d.M = M;
  d.N = N;
  d.K = K;
  d.bytes = dense_bytes(format, N, K);
  d.stride = (d.bytes + 63) / 64 * 64;
  d.copies = copies_of(name, d.stride);
  d.w = allocate(static_cast<std::size_t>(d.stride * d.copies));
  if (format.block == 1) {
    fill_floats(name.format, N * K, d.w.get());
  } else {
    fill_blocks(format, d.bytes, d.w.get());
  }
  for (std::int64_t copy = 1; copy < d.copies; ++copy)
    std::memcpy(d.w.get() + copy * d.stride, d.w.get(), static_cast<std::size_t>(d.bytes));
  return data;
}

prepared_case finish(const case_name& name, const std::shared_ptr<dense_data>& data,
                     std::int64_t x_bytes, std::int64_t out_bytes, maker make) {
  prepared_case made;
  made.memory = data->copies * data->stride;
  made.footprint = made.memory + x_bytes + out_bytes;
  made.result = [data, out_bytes] {
    return std::span(data->out.get(), static_cast<std::size_t>(out_bytes));
  };
  made.right = same_as_scalar(name, made, make);
  return made;
}

prepared_case make_product(const case_name& name, const kernel_row& kernel, std::int64_t M,
                           std::int64_t N, std::int64_t K, maker make) {
  const auto data = make_data(name, M, N, K);
  data->x = allocate(static_cast<std::size_t>(4 * M * K));
  data->out = allocate(static_cast<std::size_t>(4 * M * N));
  auto* x = reinterpret_cast<float*>(data->x.get());
  random_source source(activation_seed);
  for (std::int64_t i = 0; i < M * K; ++i) x[i] = static_cast<float>(source.byte());
  prepared_case made = finish(name, data, 4 * M * K, 4 * M * N, make);
  made.run = [data, &kernel, threads = name.threads](std::int64_t i) {
    dense_args args{};
    args.w = data->weights(i);
    args.w_bytes = data->bytes;
    args.x = reinterpret_cast<const float*>(data->x.get());
    args.out = reinterpret_cast<float*>(data->out.get());
    args.M = data->M;
    args.N = data->N;
    args.K = data->K;
    run_dense(kernel, args, threads);
  };
  return made;
}

}  // namespace

prepared_case make_gemv_dense(const case_name& name, std::string_view isa) {
  check_rank(name, 2, "NxK");
  return make_product(name, select("gemv_dense", name.format, isa), 1, name.shape[0], name.shape[1],
                      make_gemv_dense);
}

prepared_case make_gemm_dense(const case_name& name, std::string_view isa) {
  check_rank(name, 3, "MxNxK");
  return make_product(name, select("gemm_dense", name.format, isa), name.shape[0], name.shape[1],
                      name.shape[2], make_gemm_dense);
}

prepared_case make_embed(const case_name& name, std::string_view isa) {
  check_rank(name, 3, "MxNxK");
  const kernel_row& kernel = select("embed", name.format, isa);
  const std::int64_t M = name.shape[0], N = name.shape[1], K = name.shape[2];
  const auto data = make_data(name, M, N, K);
  data->x = allocate(static_cast<std::size_t>(4 * M));
  data->out = allocate(static_cast<std::size_t>(4 * M * K));
  auto* tokens = reinterpret_cast<std::int32_t*>(data->x.get());
  random_source source(token_seed);
  for (std::int64_t m = 0; m < M; ++m)
    tokens[m] = static_cast<std::int32_t>(source.next() % static_cast<std::uint64_t>(N));
  prepared_case made = finish(name, data, 4 * M, 4 * M * K, make_embed);
  made.run = [data, &kernel, threads = name.threads](std::int64_t i) {
    embed_args args{};
    args.w = data->weights(i);
    args.N = data->N;
    args.K = data->K;
    args.tokens = reinterpret_cast<const std::int32_t*>(data->x.get());
    args.out = reinterpret_cast<float*>(data->out.get());
    args.M = data->M;
    run_embed(kernel, args, threads);
  };
  return made;
}

}  // namespace bp
