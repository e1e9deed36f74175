// The float families of a layer on random values in [-1, 1): rms_norm, relu2_mul, silu_mul and add
// over MxK, rope over MxHEADSxDIM, attention over MxHEADSxKVxLENGTHxDIM, where M tokens end one
// sequence of LENGTH positions. rope and add work in place: an iteration copies their input first.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "bench/candidate.hpp"
#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "core/status.hpp"
#include "formats/half.hpp"
#include "kernels/add/add.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/relu2_mul/relu2_mul.hpp"
#include "kernels/rms_norm/rms_norm.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/silu_mul/silu_mul.hpp"

namespace bp {
namespace {

constexpr std::uint64_t value_seed = 7;

void refuse_spread(const case_name& name) {
  if (name.spread != 0)
    fail(error_kind::config, "case: found '" + name.text + "', " + name.family +
                                 " is not spread over memory: name a larger shape instead");
}

float* floats(const buffer& memory) {
  return reinterpret_cast<float*>(memory.get());
}

buffer random_floats(random_source& source, std::int64_t count) {
  buffer made = allocate(static_cast<std::size_t>(4 * count));
  for (std::int64_t i = 0; i < count; ++i) floats(made)[i] = source.uniform();
  return made;
}

// Two inputs and a result of `count` values, the second input of `other` values.
struct float_data {
  float_data(std::int64_t all, std::int64_t other) : count(all) {
    random_source source(value_seed);
    a = random_floats(source, all);
    b = random_floats(source, other);
    out = allocate(static_cast<std::size_t>(4 * all));
  }
  std::int64_t count;
  buffer a, b, out;

  void copy_input() const { std::memcpy(out.get(), a.get(), static_cast<std::size_t>(4 * count)); }
};

prepared_case case_over(const std::shared_ptr<float_data>& data, std::int64_t inputs) {
  prepared_case made;
  made.memory = made.footprint = 4 * (data->count + inputs);
  made.result = [data] {
    return std::span(data->out.get(), static_cast<std::size_t>(4 * data->count));
  };
  return made;
}

std::span<const float> values(std::span<std::uint8_t> bytes) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

// The check of families whose variants differ in their last bits: the bits of the same variant on
// one thread, each within relative * |scalar| + absolute of the scalar variant's.
std::function<bool()> near_scalar(const case_name& name, std::string_view isa,
                                  const prepared_case& mine, maker make, double relative,
                                  double absolute) {
  return [=, isa = std::string(isa), result = mine.result] {
    case_name once = name;
    once.threads = 1;
    const prepared_case again = make(once, isa), scalar = make(once, "scalar");
    again.run(0);
    scalar.run(0);
    const auto found = result(), same = again.result();
    if (!std::equal(found.begin(), found.end(), same.begin(), same.end())) return false;
    const auto close = [=](float x, float y) {
      return std::abs(double{x} - double{y}) <= relative * std::abs(double{y}) + absolute;
    };
    const auto want = values(scalar.result()), got = values(found);
    return std::equal(got.begin(), got.end(), want.begin(), want.end(), close);
  };
}

template <class Args>
prepared_case make_gated(const case_name& name, const kernel_row& kernel,
                         void (*run)(const kernel_row&, const Args&, int)) {
  check_rank(name, 2, "MxK");
  refuse_spread(name);
  const std::int64_t count = name.shape[0] * name.shape[1];
  auto data = std::make_shared<float_data>(count, count);
  Args args{};
  args.gate = floats(data->a);
  args.up = floats(data->b);
  args.out = floats(data->out);
  args.count = count;
  prepared_case made = case_over(data, 2 * count);
  made.run = [data, args, run, &kernel, threads = name.threads](std::int64_t) {
    run(kernel, args, threads);
  };
  return made;
}

// Keys, values, queries and results of M tokens that end one sequence.
struct attention_data {
  buffer q, keys, values, out;
  std::vector<const void*> key_places, value_places;
  std::vector<std::int64_t> length, head_stride;
  attention_args args{};
};

buffer random_cache(random_source& source, std::int64_t count, bool half) {
  if (!half) return random_floats(source, count);
  buffer made = allocate(static_cast<std::size_t>(2 * count));
  auto* bits = reinterpret_cast<std::uint16_t*>(made.get());
  for (std::int64_t i = 0; i < count; ++i) bits[i] = float_to_half(source.uniform());
  return made;
}

std::shared_ptr<attention_data> make_attention_data(const case_name& name) {
  check_rank(name, 5, "MxHEADSxKVxLENGTHxDIM");
  refuse_spread(name);
  auto data = std::make_shared<attention_data>();
  attention_args& args = data->args;
  args.M = name.shape[0];
  args.heads = name.shape[1];
  args.kv_heads = name.shape[2];
  args.longest = name.shape[3];
  args.head_dim = name.shape[4];
  if (args.heads % args.kv_heads != 0 || args.head_dim % 8 != 0 || args.M > args.longest) {
    fail(error_kind::config, "case: found '" + name.text +
                                 "', accepted is HEADS a multiple of KV, DIM of 8, M <= LENGTH");
  }
  const std::int64_t head_stride = args.longest * args.head_dim;
  args.scale = 1.0f / std::sqrt(static_cast<float>(args.head_dim));
  const bool half = name.format == "f16";
  random_source source(value_seed);
  data->q = random_floats(source, args.M * args.heads * args.head_dim);
  data->keys = random_cache(source, args.kv_heads * head_stride, half);
  data->values = random_cache(source, args.kv_heads * head_stride, half);
  data->out = allocate(static_cast<std::size_t>(4 * args.M * args.heads * args.head_dim));
  data->key_places.assign(static_cast<std::size_t>(args.M), data->keys.get());
  data->value_places.assign(static_cast<std::size_t>(args.M), data->values.get());
  for (std::int64_t m = 0; m < args.M; ++m) data->length.push_back(args.longest - args.M + 1 + m);
  args.q = floats(data->q);
  args.out = floats(data->out);
  args.keys = data->key_places.data();
  args.values = data->value_places.data();
  args.length = data->length.data();
  data->head_stride.assign(static_cast<std::size_t>(args.M), head_stride);
  args.head_stride = data->head_stride.data();
  return data;
}

}  // namespace

prepared_case make_rms_norm(const case_name& name, std::string_view isa) {
  check_rank(name, 2, "MxK");
  refuse_spread(name);
  const kernel_row& kernel = pick("rms_norm", name.format, isa);
  const std::int64_t M = name.shape[0], K = name.shape[1];
  auto data = std::make_shared<float_data>(M * K, K);
  rms_norm_args args{};
  args.x = floats(data->a);
  args.weight = floats(data->b);
  args.out = floats(data->out);
  args.M = M;
  args.K = K;
  args.eps = 1e-5f;
  prepared_case made = case_over(data, M * K + K);
  made.run = [data, args, &kernel, threads = name.threads](std::int64_t) {
    run_rms_norm(kernel, args, threads);
  };
  made.right = near_scalar(name, isa, made, make_rms_norm, 0x1p-21, 0x1p-147);
  return made;
}

prepared_case make_rope(const case_name& name, std::string_view isa) {
  check_rank(name, 3, "MxHEADSxDIM");
  refuse_spread(name);
  const kernel_row& kernel = pick("rope", name.format, isa);
  rope_args args{};
  args.M = name.shape[0];
  args.heads = name.shape[1];
  args.head_dim = name.shape[2];
  args.row_stride = args.heads * args.head_dim;
  args.rope_dim = args.head_dim / 2 * 2;
  const std::int64_t half = args.M * args.rope_dim / 2;
  auto data = std::make_shared<float_data>(args.M * args.row_stride, 2 * half);
  args.x = floats(data->out);
  args.cos = floats(data->b);
  args.sin = floats(data->b) + half;
  prepared_case made = case_over(data, data->count + 2 * half);
  made.run = [data, args, &kernel, threads = name.threads](std::int64_t) {
    data->copy_input();
    run_rope(kernel, args, threads);
  };
  made.right = same_as_scalar(name, made, make_rope);
  return made;
}

prepared_case make_add(const case_name& name, std::string_view isa) {
  check_rank(name, 2, "MxK");
  refuse_spread(name);
  const kernel_row& kernel = pick("add", name.format, isa);
  const std::int64_t count = name.shape[0] * name.shape[1];
  auto data = std::make_shared<float_data>(count, count);
  add_args args{};
  args.x = floats(data->out);
  args.y = floats(data->b);
  args.count = count;
  prepared_case made = case_over(data, 2 * count);
  made.run = [data, args, &kernel, threads = name.threads](std::int64_t) {
    data->copy_input();
    run_add(kernel, args, threads);
  };
  made.right = same_as_scalar(name, made, make_add);
  return made;
}

prepared_case make_relu2_mul(const case_name& name, std::string_view isa) {
  prepared_case made = make_gated(name, pick("relu2_mul", name.format, isa), &run_relu2_mul);
  made.right = same_as_scalar(name, made, make_relu2_mul);
  return made;
}

prepared_case make_silu_mul(const case_name& name, std::string_view isa) {
  prepared_case made = make_gated(name, pick("silu_mul", name.format, isa), &run_silu_mul);
  made.right = near_scalar(name, isa, made, make_silu_mul, 0x1p-20, 0x1p-120);
  return made;
}

prepared_case make_attention(const case_name& name, std::string_view isa) {
  const kernel_row& kernel = pick("attention", name.format, isa);
  const auto data = make_attention_data(name);
  const attention_args& args = data->args;
  prepared_case made;
  const std::int64_t element = name.format == "f16" ? 2 : 4;
  const std::int64_t ends = 4 * args.M * args.heads * args.head_dim;
  made.memory = made.footprint = 2 * ends + 2 * element * args.kv_heads * args.head_stride[0];
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    run_attention(kernel, data->args, threads);
  };
  made.result = [data, ends] { return std::span(data->out.get(), static_cast<std::size_t>(ends)); };
  // Twice the bound of the family: |q|, |k|, |v| <= 1, so S <= sqrt(dim) and V <= 1.
  const double S = std::sqrt(static_cast<double>(args.head_dim));
  const double steps = (static_cast<double>(args.head_dim) / 4 + 32) * S +
                       2 * (128 + static_cast<double>(args.longest) / 128) + 64;
  made.right = near_scalar(name, isa, made, make_attention, 0, 0x1p-23 * steps);
  return made;
}

}  // namespace bp
