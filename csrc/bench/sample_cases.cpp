// The choice of a token over VOCABULARY random logits: its kernels argmax and softmax, and sample
// as a whole, where the format names what is on: greedy, draw, top_k, top_p, all.
#include <algorithm>
#include <cmath>
#include <vector>

#include "bench/candidate.hpp"
#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/status.hpp"
#include "engine/sample.hpp"
#include "kernels/argmax/argmax.hpp"
#include "kernels/softmax/softmax.hpp"

namespace bp {
namespace {

constexpr std::uint64_t logit_seed = 13;
constexpr double temperature = 0.8, number = 0.5;

constexpr struct {
  const char* format;
  sampling options;
} choices[] = {
    {"greedy", {0, 0, 1, 0, 1}},
    {"draw", {temperature, 0, 1, 0, 1}},
    {"top_k", {temperature, 40, 1, 0, 1}},
    {"top_p", {temperature, 0, 0.95, 0, 1}},
    {"all", {temperature, 1000, 0.9, 0.01, 1.1}},
};

const sampling& find_choice(const case_name& name) {
  std::string known;
  for (const auto& each : choices) {
    if (name.format == each.format) return each.options;
    known += (known.empty() ? "" : ", ") + std::string(each.format);
  }
  fail(error_kind::config, "case: found '" + name.text + "', accepted as format are " + known);
}

struct sample_data {
  std::vector<float> logits;  // standard deviation 2, none beyond 6
  std::vector<std::int64_t> history;
  std::vector<double> numerators;
  std::vector<softmax_sums> blocks;
  sampler chooses;
  std::int64_t chosen = -1;
};

std::shared_ptr<sample_data> make_data(const case_name& name) {
  check_rank(name, 1, "VOCABULARY");
  if (name.spread != 0)
    fail(error_kind::config, "case: found '" + name.text + "', " + name.family +
                                 " is not spread over memory: name a larger shape instead");
  const auto count = static_cast<std::size_t>(name.shape[0]);
  auto data = std::make_shared<sample_data>();
  random_source source(logit_seed);
  data->logits.resize(count);
  for (float& each : data->logits)
    each = 2 * (source.uniform() + source.uniform() + source.uniform());
  for (int i = 0; i < 256; ++i)
    data->history.push_back(static_cast<std::int64_t>(source.next() % count));
  return data;
}

template <class T>
std::span<std::uint8_t> bytes_of(T* first, std::size_t count) {
  return {reinterpret_cast<std::uint8_t*>(first), count * sizeof(T)};
}

}  // namespace

prepared_case make_argmax(const case_name& name, std::string_view isa) {
  const auto data = make_data(name);
  const kernel_row& kernel = pick("argmax", name.format, isa);
  prepared_case made;
  made.memory = made.footprint = 4 * name.shape[0];
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    argmax_args args{};
    args.x = data->logits.data();
    args.count = std::ssize(data->logits);
    data->chosen = run_argmax(kernel, args, threads).largest;
  };
  made.result = [data] { return bytes_of(&data->chosen, 1); };
  made.right = same_as_scalar(name, made, make_argmax);
  return made;
}

prepared_case make_softmax(const case_name& name, std::string_view isa) {
  const auto data = make_data(name);
  const kernel_row& kernel = pick("softmax", name.format, isa);
  softmax_args args{};
  args.x = data->logits.data();
  args.count = std::ssize(data->logits);
  args.largest = *std::max_element(data->logits.begin(), data->logits.end());
  args.temperature = temperature;
  data->numerators.resize(data->logits.size());
  data->blocks.resize(static_cast<std::size_t>(softmax_blocks(args)));
  args.out = data->numerators.data();
  args.blocks = data->blocks.data();
  prepared_case made;
  made.memory = made.footprint = 12 * args.count;
  made.run = [data, args, &kernel, threads = name.threads](std::int64_t) {
    run_softmax(kernel, args, threads);
  };
  made.result = [data] { return bytes_of(data->numerators.data(), data->numerators.size()); };
  made.right = [data, name] {
    const prepared_case scalar = make_softmax(name, "scalar");
    scalar.run(0);
    const auto* want = reinterpret_cast<const double*>(scalar.result().data());
    const auto close = [](double x, double y) { return std::abs(x - y) <= 0x1p-50 * y; };
    return std::equal(data->numerators.begin(), data->numerators.end(), want, close);
  };
  return made;
}

prepared_case make_sample(const case_name& name, std::string_view isa) {
  const auto data = make_data(name);
  prepared_case made;
  made.memory = 12 * name.shape[0];
  made.footprint = name.format == std::string_view("greedy") ? 4 * name.shape[0] : made.memory;
  made.run = [data, options = find_choice(name),
              kernels = sampling_kernels(isa, name.threads)](std::int64_t) {
    data->chosen = data->chooses.choose(kernels, data->logits, options, data->history, number);
  };
  made.result = [data] { return bytes_of(&data->chosen, 1); };
  made.right = same_as_scalar(name, made, make_sample);
  return made;
}

}  // namespace bp
