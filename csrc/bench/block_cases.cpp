// Codecs and products of the BitNet.rs crates, on the data of the crates' own benchmarks: the ramp
// x[i] = (i - n/2) / (n/4), and for matmul_i2s a[i] = i mod 256 - 128, b[i] = i mod 256. Formats
// are codec ids, with another block size as `quant.i2s.b64`; shapes are element counts or
// `512x512`.
#include <charconv>

#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "core/status.hpp"
#include "formats/block_codecs.hpp"
#include "kernels/block_dequantize/block_dequantize.hpp"
#include "kernels/block_matmul/block_matmul.hpp"
#include "kernels/block_quantize/block_quantize.hpp"

namespace bp {
namespace {

struct id_and_block {
  std::string id;
  std::int64_t block;  // 0: the default
};

// "quant.i2s.b64" is quant.i2s with 64 values under one scale.
id_and_block split_block(const case_name& name) {
  const std::string& text = name.format;
  const auto at = text.rfind(".b");
  if (at == text.npos) return {text, 0};
  std::int64_t block = 0;
  const char* end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data() + at + 2, end, block);
  if (status != std::errc() || stop != end || block < 1)
    fail(error_kind::config,
         "case: found '" + name.text + "', accepted after '.b' is a block size");
  return {text.substr(0, at), block};
}

void refuse_spread(const case_name& name) {
  if (name.spread != 0)
    fail(error_kind::config, "case: found '" + name.text + "', " + name.family +
                                 " is not spread over memory: name a larger shape instead");
}

std::span<std::uint8_t> bytes_of(const buffer& memory, std::int64_t bytes) {
  return {memory.get(), static_cast<std::size_t>(bytes)};
}

float* floats(const buffer& memory) {
  return reinterpret_cast<float*>(memory.get());
}

// One tensor and its codes: what the three codec families work on.
struct codec_data {
  std::int64_t count, block, blocks, code_bytes;
  std::string_view kernel;
  buffer x, codes, scales, out;

  block_quantize_args quantize() const {
    block_quantize_args args{};
    args.x = floats(x);
    args.data = codes.get();
    args.scales = floats(scales);
    args.count = count;
    args.block = block;
    args.data_bytes = code_bytes;
    return args;
  }
  block_dequantize_args dequantize() const {
    block_dequantize_args args{};
    args.data = codes.get();
    args.scales = floats(scales);
    args.x = floats(out);
    args.count = count;
    args.block = block;
    return args;
  }
};

std::shared_ptr<codec_data> make_codec(const case_name& name) {
  refuse_spread(name);
  const auto [id, asked] = split_block(name);
  const block_codec* codec = nullptr;
  std::string known;
  for (const block_codec& each : block_codecs) {
    if (each.id == id) codec = &each;
    (known += known.empty() ? "" : ", ") += each.id;
  }
  if (codec == nullptr)
    fail(error_kind::format, "case: found '" + name.text + "', accepted codecs are " + known);
  if (asked != 0 && (asked < codec->least || asked > codec->most))
    fail(error_kind::format, "case: found '" + name.text + "', " + id + " admits blocks from " +
                                 std::to_string(codec->least) + " to " +
                                 std::to_string(codec->most));
  auto data = std::make_shared<codec_data>();
  codec_data& d = *data;
  d.kernel = codec->kernel;
  d.block = asked != 0 ? asked : codec->block;
  d.count = 1;
  for (const std::int64_t n : name.shape) d.count *= n;
  d.blocks = (d.count + d.block - 1) / d.block;
  d.code_bytes = code_bytes(*codec, d.count);
  d.x = allocate(static_cast<std::size_t>(4 * d.count));
  d.codes = allocate(static_cast<std::size_t>(d.code_bytes));
  d.scales = allocate(static_cast<std::size_t>(4 * d.blocks));
  d.out = allocate(static_cast<std::size_t>(4 * d.count));
  const auto n = static_cast<float>(d.count);
  for (std::int64_t i = 0; i < d.count; ++i)
    floats(d.x)[i] = (static_cast<float>(i) - n / 2.0f) / (n / 4.0f);
  return data;
}

// The fields that all codec cases share; `moved` bytes are read and written by an iteration.
prepared_case codec_case(const std::shared_ptr<codec_data>& data, std::int64_t moved) {
  prepared_case made;
  made.memory = 8 * data->count + data->code_bytes + 4 * data->blocks;
  made.footprint = moved;
  return made;
}

struct matmul_data {
  buffer a, b, scales, c;
  block_matmul_args args{};
  std::int64_t bytes = 0;
};

void fill_matmul_i2s(matmul_data& d) {
  const std::int64_t M = d.args.M, N = d.args.N, K = d.args.K;
  d.a = allocate(static_cast<std::size_t>(M * K));
  d.b = allocate(static_cast<std::size_t>(K * N));
  for (std::int64_t i = 0; i < M * K; ++i) d.a.get()[i] = static_cast<std::uint8_t>(i % 256 - 128);
  for (std::int64_t i = 0; i < K * N; ++i) d.b.get()[i] = static_cast<std::uint8_t>(i % 256);
  d.args.a = reinterpret_cast<const std::int8_t*>(d.a.get());
  d.args.b = d.b.get();
  d.bytes = M * K + K * N + 4 * M * N;
}

void fill_matmul(matmul_data& d) {
  const std::int64_t M = d.args.M, N = d.args.N, K = d.args.K, block = d.args.block;
  const std::int64_t codes = N * ((K + 3) / 4), scales = N * ((K + block - 1) / block);
  d.a = allocate(static_cast<std::size_t>(4 * M * K));
  d.b = allocate(static_cast<std::size_t>(codes));
  d.scales = allocate(static_cast<std::size_t>(4 * scales));
  random_source source(5);
  for (std::int64_t i = 0; i < M * K; ++i) floats(d.a)[i] = source.uniform();
  for (std::int64_t i = 0; i < codes; ++i) d.b.get()[i] = static_cast<std::uint8_t>(source.next());
  for (std::int64_t i = 0; i < scales; ++i) floats(d.scales)[i] = source.uniform();
  d.args.x = floats(d.a);
  d.args.w = d.b.get();
  d.args.scales = floats(d.scales);
  d.bytes = 4 * M * K + codes + 4 * scales + 4 * M * N;
}

}  // namespace

prepared_case make_block_quantize(const case_name& name, std::string_view isa) {
  const auto data = make_codec(name);
  const kernel_row& kernel = select("block_quantize", data->kernel, isa);
  prepared_case made = codec_case(data, 4 * data->count + data->code_bytes + 4 * data->blocks);
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    run_block_quantize(kernel, data->quantize(), threads);
  };
  made.result = [data] { return bytes_of(data->codes, data->code_bytes); };
  made.right = same_as_scalar(name, made, make_block_quantize);
  return made;
}

prepared_case make_block_dequantize(const case_name& name, std::string_view isa) {
  const auto data = make_codec(name);
  const kernel_row& kernel = select("block_dequantize", data->kernel, isa);
  run_block_quantize(select("block_quantize", data->kernel, "scalar"), data->quantize(), 1);
  prepared_case made = codec_case(data, 4 * data->count + data->code_bytes + 4 * data->blocks);
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    run_block_dequantize(kernel, data->dequantize(), data->blocks, threads);
  };
  made.result = [data] { return bytes_of(data->out, 4 * data->count); };
  made.right = same_as_scalar(name, made, make_block_dequantize);
  return made;
}

prepared_case make_block_round_trip(const case_name& name, std::string_view isa) {
  const auto data = make_codec(name);
  const kernel_row& to = select("block_quantize", data->kernel, isa);
  const kernel_row& from = select("block_dequantize", data->kernel, isa);
  prepared_case made = codec_case(data, 8 * data->count + data->code_bytes + 4 * data->blocks);
  made.run = [data, &to, &from, threads = name.threads](std::int64_t) {
    run_block_quantize(to, data->quantize(), threads);
    run_block_dequantize(from, data->dequantize(), data->blocks, threads);
  };
  made.result = [data] { return bytes_of(data->out, 4 * data->count); };
  made.right = same_as_scalar(name, made, make_block_round_trip);
  return made;
}

prepared_case make_block_matmul(const case_name& name, std::string_view isa) {
  constexpr std::int64_t default_block = 32;
  check_rank(name, 3, "MxNxK");
  refuse_spread(name);
  const auto [id, asked] = split_block(name);
  const kernel_row& kernel = select("block_matmul", id, isa);
  auto data = std::make_shared<matmul_data>();
  data->args.M = name.shape[0];
  data->args.N = name.shape[1];
  data->args.K = name.shape[2];
  data->args.block = asked != 0 ? asked : default_block;
  id == "matmul" ? fill_matmul(*data) : fill_matmul_i2s(*data);
  const std::int64_t results = data->args.M * data->args.N;
  data->c = allocate(static_cast<std::size_t>(4 * results));
  data->args.c = floats(data->c);
  prepared_case made;
  made.memory = made.footprint = data->bytes;
  made.run = [data, &kernel, threads = name.threads](std::int64_t) {
    run_block_matmul(kernel, data->args, data->bytes, threads);
  };
  made.result = [data, results] { return bytes_of(data->c, 4 * results); };
  made.right = same_as_scalar(name, made, make_block_matmul);
  return made;
}

}  // namespace bp
