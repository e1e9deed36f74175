// A decode step, and the prefill of a prompt, of a model of random weights made in memory. The
// result is the logits of the last token.
#include <algorithm>
#include <cmath>

#include "bench/cases.hpp"
#include "bench/random.hpp"
#include "core/memory.hpp"
#include "core/status.hpp"
#include "engine/engine.hpp"
#include "engine/shapes.hpp"
#include "formats/half.hpp"
#include "kernels/families.hpp"

namespace bp {
namespace {

constexpr std::uint64_t weight_seed = 11;

model_config config_of(const model_shape& shape) {
  model_config c{};
  c.layers = shape.layers;
  c.width = shape.width;
  c.ffn = shape.ffn;
  c.heads = shape.heads;
  c.kv_heads = shape.kv_heads;
  c.head_dim = shape.width / shape.heads;
  c.vocab = shape.vocab;
  c.context = shape.context;
  c.eps = 1e-5f;
  c.rope_dim = c.head_dim;
  for (std::int64_t d = 0; d < c.rope_dim / 2; ++d)
    c.rope_frequency.push_back(
        std::pow(shape.rope_base, -2.0 * static_cast<double>(d) / static_cast<double>(c.rope_dim)));
  c.act = activation::relu2;
  c.quant = act_quant::q8_act;
  c.kv = kv_type::f16;
  return c;
}

// The memory of a model and the engine that reads it.
struct random_model {
  random_model(const model_shape& shape, std::string_view isa, int threads)
      : runs(config_of(shape), std::string(isa), {threads, threads}) {
    const model_config& c = runs.config();
    norms = allocate(sizeof(float) * static_cast<std::size_t>(norm_length(c)));
    auto* ones = reinterpret_cast<float*>(norms.get());
    std::fill_n(ones, norm_length(c), 1.0f);
    runs.weights().output_norm = ones;
    fill_head(c);
    for (layer_weights& layer : runs.weights().layers) {
      for (const norm_name& each : layer_norms) layer.*each.member = ones;
      for (const matrix_name& each : layer_matrices)
        bytes += packed_bytes(make_layout(native_layout(runs.isa()), shape_of(c, each.name).N,
                                          shape_of(c, each.name).K));
    }
    fill_matrices(c);
  }

  engine runs;
  std::int64_t bytes = 0;  // of ternary weights
  buffer norms, head, matrices;

 private:
  static std::int64_t norm_length(const model_config& c) {
    return std::max({c.width, c.ffn, q_width(c)});
  }

  void fill_head(const model_config& c) {
    random_source source(weight_seed);
    const std::int64_t count = c.vocab * c.width;
    head = allocate(static_cast<std::size_t>(2 * count));
    auto* half = reinterpret_cast<std::uint16_t*>(head.get());
    std::uint16_t table[4096];
    for (std::uint16_t& each : table) each = float_to_half(0.02f * source.uniform());
    for (std::int64_t i = 0; i < count; ++i) half[i] = table[source.next() % 4096];
    dense_matrix w;
    w.data = head.get();
    w.bytes = 2 * count;
    w.N = c.vocab;
    w.K = c.width;
    w.half = true;
    w.embed = &variant("embed", "f16", runs.isa());
    w.gemv = &variant("gemv_dense", "f16", runs.isa());
    w.gemm = &variant("gemm_dense", "f16", runs.isa());
    runs.weights().token_embd = runs.weights().output = w;
  }

  void fill_matrices(const model_config& c) {
    // Four codes 0, 1, 2 in a byte; nearly equally often.
    std::uint8_t table[256];
    for (int i = 0; i < 256; ++i) {
      const int v = i * 81 / 256;
      table[i] = static_cast<std::uint8_t>(v % 3 | v / 3 % 3 << 2 | v / 9 % 3 << 4 | v / 27 << 6);
    }
    matrices = allocate(static_cast<std::size_t>(bytes));
    random_source source(weight_seed + 1);
    for (std::int64_t i = 0; i < bytes; i += 8) {
      const std::uint64_t random = source.next();
      for (int j = 0; j < 8 && i + j < bytes; ++j)
        matrices.get()[i + j] = table[random >> 8 * j & 255];
    }
    const std::uint8_t* next = matrices.get();
    for (layer_weights& layer : runs.weights().layers) {
      for (const matrix_name& each : layer_matrices) {
        ternary_matrix& w = layer.*each.member;
        const matrix_shape shape = shape_of(c, each.name);
        w.shape = make_layout(native_layout(runs.isa()), shape.N, shape.K);
        w.data = next;
        w.bytes = packed_bytes(w.shape);
        w.scale = std::sqrt(1.5f / static_cast<float>(shape.K));
        w.gemv = &variant("gemv", w.shape.format->name, runs.isa());
        w.gemm = &variant("gemm", w.shape.format->name, runs.isa());
        next += w.bytes;
      }
    }
  }
};

const model_shape& find_shape(const case_name& name) {
  std::string known;
  for (const model_shape& each : model_shapes) {
    if (name.model == each.name) return each;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  fail(error_kind::config, "case: found '" + name.text + "', accepted as model are " + known);
}

// A model, a text of n tokens, and the logits after its last.
struct model_run {
  model_run(const model_shape& shape, std::string_view isa, int threads, std::int64_t n)
      : model(shape, isa, threads), sequence(model.runs.add_sequence()) {
    random_source source(weight_seed + 2);
    for (std::int64_t i = 0; i < n; ++i)
      tokens.push_back(
          {static_cast<std::int32_t>(source.next() % static_cast<std::uint64_t>(shape.vocab)),
           sequence});
    model.runs.cache(sequence).reserve(n);
    logits = allocate(sizeof(float) * static_cast<std::size_t>(shape.vocab));
  }

  // Tokens from `begin` on, after the first `begin`, which are in the cache.
  void forward(std::int64_t begin) {
    model.runs.cache(sequence).set_length(begin);
    const auto rest = std::span(tokens).subspan(static_cast<std::size_t>(begin));
    const std::int64_t last = static_cast<std::int64_t>(rest.size()) - 1;
    model.runs.forward(rest, {&last, 1}, reinterpret_cast<float*>(logits.get()));
  }

  random_model model;
  std::int32_t sequence;
  std::vector<batch_token> tokens;
  buffer logits;
};

// `begin`: the tokens before it are computed once, those from it on in every iteration.
prepared_case make_forward(const case_name& name, std::string_view isa, std::int64_t begin) {
  const model_shape& shape = find_shape(name);
  if (name.format != "i2_s")
    fail(error_kind::config, "case: found '" + name.text + "', accepted as format is i2_s");
  if (name.tokens > shape.context)
    fail(error_kind::config, "case: found '" + name.text + "', the context of the model holds " +
                                 std::to_string(shape.context) + " tokens");
  auto run = std::make_shared<model_run>(shape, isa, name.threads, name.tokens);
  if (begin > 0) {
    run->model.runs.forward(std::span(run->tokens).first(static_cast<std::size_t>(begin)), {},
                            nullptr);
  }
  const auto size = sizeof(float) * static_cast<std::size_t>(shape.vocab);
  prepared_case made;
  made.memory = made.footprint = run->model.bytes + 2 * shape.vocab * shape.width;
  made.run = [run, begin](std::int64_t) { run->forward(begin); };
  made.result = [run, size] { return std::span(run->logits.get(), size); };
  // The same tokens another way: all but the last in one batch, and the last alone, or all at once.
  made.right = [run, size, begin, n = name.tokens] {
    const std::vector<std::uint8_t> found(run->logits.get(), run->logits.get() + size);
    if (begin > 0) {
      run->forward(0);
    } else {
      run->model.runs.cache(run->sequence).set_length(0);
      if (n > 1)
        run->model.runs.forward(std::span(run->tokens).first(static_cast<std::size_t>(n - 1)), {},
                                nullptr);
      run->forward(n - 1);
    }
    return std::equal(found.begin(), found.end(), run->logits.get());
  };
  return made;
}

}  // namespace

prepared_case make_decode(const case_name& name, std::string_view isa) {
  if (name.tokens < 2)
    fail(error_kind::config, "case: found '" + name.text + "', decode needs 2 tokens or more");
  return make_forward(name, isa, name.tokens - 1);
}

prepared_case make_prefill(const case_name& name, std::string_view isa) {
  return make_forward(name, isa, 0);
}

}  // namespace bp
