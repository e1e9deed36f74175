// quantize_activations of random float32 rows, MxK. The result is values, scales and sums.
#include "bench/candidate.hpp"
#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "core/status.hpp"
#include "kernels/quantize_activations/quantize_activations.hpp"

namespace bp {
namespace {

constexpr std::uint64_t row_seed = 6;

struct activation_data {
  buffer x, result;  // result: int8 [M, K] in whole cache lines, then all scales, then all sums
  quantize_activations_args args{};
};

}  // namespace

prepared_case make_quantize_activations(const case_name& name, std::string_view isa) {
  check_rank(name, 2, "MxK");
  if (name.spread != 0)
    fail(error_kind::config, "case: found '" + name.text + "', " + name.family +
                                 " is not spread over memory: name a larger shape instead");
  const kernel_row& kernel = pick("quantize_activations", name.format, isa);
  const std::int64_t M = name.shape[0], K = name.shape[1];
  const std::int64_t block = activation_block(name.format);
  if (block != 0 && K % block != 0)
    fail(error_kind::config, "case: found '" + name.text + "', " + name.format +
                                 " accepts K in multiples of " + std::to_string(block));
  const std::int64_t scales = M * activation_blocks(name.format, K);
  const std::int64_t values = (M * K + 63) / 64 * 64, bytes = values + 8 * scales;
  auto data = std::make_shared<activation_data>();
  data->x = allocate(static_cast<std::size_t>(4 * M * K));
  data->result = allocate(static_cast<std::size_t>(bytes));
  auto* x = reinterpret_cast<float*>(data->x.get());
  random_source source(row_seed);
  for (std::int64_t i = 0; i < M * K; ++i) x[i] = source.uniform();
  data->args.x = x;
  data->args.kind = float_kind::float32;
  data->args.values = reinterpret_cast<std::int8_t*>(data->result.get());
  data->args.scale = reinterpret_cast<float*>(data->result.get() + values);
  data->args.sum = reinterpret_cast<std::int32_t*>(data->result.get() + values + 4 * scales);
  data->args.M = M;
  data->args.K = K;
  prepared_case made;
  made.memory = made.footprint = 4 * M * K + bytes;
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    run_quantize_activations(kernel, data->args, threads);
  };
  made.result = [data, bytes] {
    return std::span(data->result.get(), static_cast<std::size_t>(bytes));
  };
  made.right = same_as_scalar(name, made, make_quantize_activations);
  return made;
}

}  // namespace bp
