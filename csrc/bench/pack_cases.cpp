// pack and unpack of random ternary weights, NxK, and float weights quantized to them. What unpack
// gives is what was packed.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "bench/candidate.hpp"
#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "core/status.hpp"
#include "formats/bytes.hpp"
#include "formats/half.hpp"
#include "formats/layout.hpp"
#include "kernels/pack/pack.hpp"
#include "kernels/pack/quantize.hpp"
#include "kernels/ternarize/ternarize.hpp"
#include "kernels/unpack/unpack.hpp"

namespace bp {
namespace {

constexpr std::uint64_t weight_seed = 1;
constexpr std::uint16_t half_one = 0x3c00;  // float16 1.0: the scale of blocks that have one

struct pack_data {
  layout w;
  std::int64_t weights, bytes;
  buffer codes, floats, packed, out;

  std::int8_t* ternary() const { return reinterpret_cast<std::int8_t*>(codes.get()); }
  float* values() const { return reinterpret_cast<float*>(floats.get()); }
};

void check_matrix(const case_name& name) {
  check_rank(name, 2, "NxK");
  if (name.spread != 0)
    fail(error_kind::config, "case: found '" + name.text + "', " + name.family +
                                 " is not spread over memory: name a larger shape instead");
}

std::shared_ptr<pack_data> make_pack_data(const case_name& name) {
  check_matrix(name);
  auto data = std::make_shared<pack_data>();
  data->w = make_layout(name.format, name.shape[0], name.shape[1]);
  data->weights = name.shape[0] * name.shape[1];
  data->bytes = packed_bytes(data->w);
  data->codes = allocate(static_cast<std::size_t>(data->weights));
  data->packed = allocate(static_cast<std::size_t>(data->bytes));
  random_source source(weight_seed);
  for (std::int64_t i = 0; i < data->weights; ++i) data->ternary()[i] = source.ternary();
  return data;
}

// The bytes of the weights x by the rule as BitNet states it, weight for weight.
buffer absmean_bytes(const layout& w, const float* x) {
  const std::int64_t count = w.N * w.K;
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += std::fabs(static_cast<double>(x[i]));
  const auto scale = std::max(static_cast<float>(sum / static_cast<double>(count)), 1e-5f);
  buffer codes = allocate(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const double nearest = std::nearbyint(static_cast<double>(x[i]) / static_cast<double>(scale));
    codes.get()[i] = static_cast<std::uint8_t>(static_cast<int>(std::clamp(nearest, -1.0, 1.0)));
  }
  buffer made = allocate(static_cast<std::size_t>(packed_bytes(w)));
  const float kept = stored_scale(*w.format, static_cast<double>(scale));
  run_pack(select("pack", w.format->name, "scalar"), w,
           reinterpret_cast<const std::int8_t*>(codes.get()), made.get(), float_to_half(kept), 1);
  if (scale_offset(w) >= 0) write_scale(w, made.get(), kept);
  return made;
}

}  // namespace

prepared_case make_pack(const case_name& name, std::string_view isa) {
  const kernel_row& kernel = pick("pack", name.format, isa);
  const auto data = make_pack_data(name);
  prepared_case made;
  made.memory = made.footprint = data->weights + data->bytes;
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    run_pack(kernel, data->w, data->ternary(), data->packed.get(), half_one, threads);
  };
  made.result = [data] {
    return std::span(data->packed.get(), static_cast<std::size_t>(code_bytes(data->w)));
  };
  made.right = same_as_scalar(name, made, make_pack);
  return made;
}

prepared_case make_unpack(const case_name& name, std::string_view isa) {
  const kernel_row& kernel = pick("unpack", name.format, isa);
  const auto data = make_pack_data(name);
  data->out = allocate(static_cast<std::size_t>(data->weights));
  run_pack(select("pack", name.format, "scalar"), data->w, data->ternary(), data->packed.get(),
           half_one, 1);
  prepared_case made;
  made.memory = 2 * data->weights + data->bytes;
  made.footprint = data->weights + data->bytes;
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    run_unpack(kernel, data->w, data->packed.get(), reinterpret_cast<std::int8_t*>(data->out.get()),
               threads);
  };
  made.result = [data] {
    return std::span(data->out.get(), static_cast<std::size_t>(data->weights));
  };
  made.right = [data] {
    return std::equal(data->out.get(), data->out.get() + data->weights, data->codes.get());
  };
  return made;
}

prepared_case make_quantize_weights(const case_name& name, std::string_view isa) {
  const quantize_kernels kernels{select("ternarize", "f32", isa == candidate_isa ? "" : isa),
                                 pick("pack", name.format, isa)};
  const auto data = make_pack_data(name);
  data->codes.reset();
  data->floats = allocate(static_cast<std::size_t>(data->weights) * sizeof(float));
  random_source source(weight_seed);
  for (std::int64_t i = 0; i < data->weights; ++i) data->values()[i] = 0.02f * source.uniform();
  const auto size = static_cast<std::size_t>(data->bytes);
  prepared_case made;
  made.memory = made.footprint =
      data->weights * static_cast<std::int64_t>(sizeof(float)) + data->bytes;
  made.run = [data, kernels, threads = name.threads](std::int64_t) {
    quantize_weights(kernels, data->w, {data->values(), false}, scale_rule::absmean, 0,
                     data->packed.get(), threads);
  };
  made.result = [data, size] { return std::span(data->packed.get(), size); };
  made.right = [data, size] {
    const buffer want = absmean_bytes(data->w, data->values());
    return std::equal(want.get(), want.get() + size, data->packed.get());
  };
  return made;
}

prepared_case make_ternarize(const case_name& name, std::string_view isa) {
  check_matrix(name);
  const kernel_row& kernel = select("ternarize", name.format, isa);
  const std::int64_t count = name.shape[0] * name.shape[1], size = name.format == "f16" ? 2 : 4;
  struct data {
    buffer x, codes;
  };
  auto held = std::make_shared<data>(data{allocate(static_cast<std::size_t>(count * size)),
                                          allocate(static_cast<std::size_t>(count))});
  random_source source(weight_seed);
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = 0.02f * source.uniform();
    const std::uint16_t half = float_to_half(value);
    std::memcpy(held->x.get() + i * size, size == 2 ? static_cast<const void*>(&half) : &value,
                static_cast<std::size_t>(size));
  }
  ternarize_args args{};
  args.step = ternarize_step::codes;
  args.x = held->x.get();
  args.rows = name.shape[0];
  args.K = name.shape[1];
  args.bound = 0.01f;
  args.codes = reinterpret_cast<std::int8_t*>(held->codes.get());
  prepared_case made;
  made.memory = made.footprint = count * (size + 1);
  made.run = [held, args, &kernel, threads = name.threads](std::int64_t) {
    run_ternarize(kernel, args, threads);
  };
  made.result = [held, count] {
    return std::span(held->codes.get(), static_cast<std::size_t>(count));
  };
  made.right = same_as_scalar(name, made, make_ternarize);
  return made;
}

}  // namespace bp
